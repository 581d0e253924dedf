// Where the keyboard is, and whether it is seen there.
(() => {
  const now = document.activeElement;
  const style = getComputedStyle(now);
  const box = now.getBoundingClientRect();
  const marked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const inside = box.width > 0 && box.bottom > 0 && box.top < innerHeight
    && box.right > 0 && box.left < innerWidth;
  return {
    place: [...document.querySelectorAll("*")].indexOf(now),
    figure: now.closest("figure")?.id ?? "",
    seen: now === document.body || (marked && inside),
    words: now.textContent.trim().slice(0, 40),
  };
})()
