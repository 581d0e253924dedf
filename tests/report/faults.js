// What is wrong with a page as it is shown, a sentence each.
(() => {
  const all = (query, at = document) => [...at.querySelectorAll(query)];
  const named = (e) => `<${e.localName}> ${e.textContent.trim().slice(0, 40)}`;

  // Colours: [red, green, blue, opacity], of 255 and of 1.
  const colour = (text) => {
    const found = text.match(/[\d.]+/g).map(Number);
    return found.length > 3 ? found : [...found, 1];
  };
  const over = (top, below) => [0, 1, 2]
    .map((k) => top[k] * top[3] + below[k] * (1 - top[3])).concat(1);
  const linear = (value) => (value <= 0.04045 * 255
    ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) =>
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const above = (e) => (e ? [...above(e.parentElement), e] : []);
  const paper = (e) => above(e).reduce(
    (below, one) => over(colour(getComputedStyle(one).backgroundColor), below),
    [255, 255, 255, 1],
  );
  const written = (e) => {
    const style = getComputedStyle(e);
    const [r, g, b, a] = colour(e.closest("svg") ? style.fill : style.color);
    const opacity = above(e).reduce((o, one) => o * getComputedStyle(one).opacity, a);
    return over([r, g, b, opacity], paper(e));
  };
  const size = (e) => {
    const scale = e.closest("svg") ? Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b) : 1;
    return parseFloat(getComputedStyle(e).fontSize) * scale;
  };
  const large = (e) => size(e) >= 24
    || (size(e) >= 18.66 && getComputedStyle(e).fontWeight >= 700);

  const folded = all("details:not([open])");
  folded.forEach((one) => { one.open = true; });
  const texts = all("body *").filter((e) => e.checkVisibility()
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
    && !e.closest("script, style"));
  const contrasts = texts.map((e) => [contrast(written(e), paper(e)), e]);
  const faint = contrasts.filter(([found, e]) => found < (large(e) ? 3 : 4.5));
  const small = all(".plot text").filter((e) => e.checkVisibility()
    && e.textContent.trim() && size(e) < 8.5);
  folded.forEach((one) => { one.open = false; });

  const heads = all("h1, h2, h3, h4, h5, h6").map((e) => Number(e.localName[1]));
  const viewport = document.querySelector("meta[name=viewport]")?.content ?? "";
  const rules = {
    "the language is not said": document.documentElement.lang === "",
    "there is no title": document.title.trim() === "",
    "a phone is not asked for its width": !viewport.includes("width=device-width"),
    "a reader cannot make it larger": /user-scalable|maximum-scale/.test(viewport),
    "the body scrolls to the side":
      document.documentElement.scrollWidth > document.documentElement.clientWidth,
    "the first table has more than five columns":
      all("#answer thead th").length > 5,
    "there is not one first heading":
      heads[0] !== 1 || heads.filter((h) => h === 1).length > 1,
    "a heading skips a level": heads.some((h, k) => k && h > heads[k - 1] + 1),
  };
  const silent = all("svg.plot").filter((e) =>
    e.getAttribute("role") !== "img" || !e.getAttribute("aria-label")?.trim());
  return {
    faults: [
      ...Object.keys(rules).filter((rule) => rules[rule]),
      ...faint.map(([found, e]) => `contrast ${found.toFixed(2)}: ${named(e)}`),
      ...small.map((e) => `letters of ${size(e).toFixed(1)} pixels: ${named(e)}`),
      ...silent.map((e) => `says nothing: ${named(e.closest("figure") ?? e)}`),
    ],
    contrast: Math.min(...contrasts.map(([found]) => found)),
    texts: texts.length,
  };
})()
