"""Cells of input gates once more, a sequence and a step at a time, in NumPy.

Written from the publications' equations, number by number.
"""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def softplus(a):
    return np.log1p(np.exp(a))


def min_gru(p, xs, positive=False):
    h, found = np.zeros(len(p["b_z"])), []
    for x in xs:
        z = sigmoid(p["W_z"] @ x + p["b_z"])
        g = p["W_g"] @ x + p["b_g"]
        if positive:
            g = np.where(g >= 0, g + 0.5, sigmoid(g))
        h = (1 - z) * h + z * g
        found.append(h)
    return np.array(found)


def min_lstm(p, xs, positive=False):
    h, found = np.zeros(len(p["b_f"])), []
    for x in xs:
        f = sigmoid(p["W_f"] @ x + p["b_f"])
        i = sigmoid(p["W_i"] @ x + p["b_i"])
        g = p["W_g"] @ x + p["b_g"]
        if positive:
            g = np.where(g >= 0, g + 0.5, sigmoid(g))
        h = f / (f + i) * h + i / (f + i) * g
        found.append(h)
    return np.array(found)


def diag_rnn(p, xs):
    h, found = np.zeros(len(p["w_h"])), []
    for x in xs:
        h = np.tanh(np.diag(p["w_h"]) @ h + p["W_x"] @ x + p["b_x"])
        found.append(h)
    return np.array(found)


def rg_lru(p, xs):
    h, found = np.zeros(len(p["decay"])), []
    base = sigmoid(-p["decay"])  # the publication's Lambda is minus the decay
    for x in xs:
        r = sigmoid(p["W_r"] @ x + p["b_r"])
        i = sigmoid(p["W_i"] @ x + p["b_i"])
        a = base ** (8 * r)
        h = a * h + np.sqrt(1 - a**2) * (i * (p["W_u"] @ x + p["b_u"]))
        found.append(h)
    return np.array(found)


def lru(p, xs):
    pairs = len(p["nu_log"])
    rate = np.exp(-np.exp(p["nu_log"]) + 1j * np.exp(p["theta_log"]))
    b = p["W_u"][:pairs] + 1j * p["W_u"][pairs:]
    s, found = np.zeros(pairs, complex), []
    for x in xs:
        s = rate * s + np.exp(p["gamma_log"]) * (b @ x)
        found.append(np.concatenate((s.real, s.imag)))
    return np.array(found)


def s6(p, xs):
    """As a Mamba block scans: one channel and one number of its state at a time."""
    units, width = p["A_log"].shape
    s, found = np.zeros((units, width)), []
    for x in xs:
        u = p["W_u"] @ x + p["b_u"]
        delta = softplus(p["W_delta"] @ x + p["b_delta"])
        b, c = p["W_B"] @ x, p["W_C"] @ x
        y = np.zeros(units)
        for q in range(units):
            for n in range(width):
                decay = np.exp(-delta[q] * np.exp(p["A_log"][q, n]))
                s[q, n] = decay * s[q, n] + delta[q] * b[n] * u[q]
                y[q] += c[n] * s[q, n]
            y[q] += p["D"][q] * u[q]
        found.append(np.concatenate((y, s.flatten())))
    return np.array(found)


def cap(a):
    return 15 * np.tanh(a / 15)


def s_lstm(p, xs):
    """With the publication's c, n and m; m is the stabiliser."""
    units = len(p["b_i"])
    h, c, n, m = (np.zeros(units) for _ in range(4))
    m = m - 1e30
    found = []
    for x in xs:
        pre = {g: p[f"W_{g}"] @ x + p[f"b_{g}"] + p[f"U_{g}"] @ h for g in "ifog"}
        log_f, log_i = np.log(sigmoid(cap(pre["f"]))), cap(pre["i"])
        last, m = m, np.maximum(log_f + m, log_i)
        f, i = np.exp(log_f + last - m), np.exp(log_i - m)
        c, n = f * c + i * np.tanh(pre["g"]), f * n + i
        h = sigmoid(pre["o"]) * c / n
        found.append(np.concatenate((h, c / n, n * np.exp(m))))
    return np.array(found)


def m_lstm(p, xs):
    """With the publication's stabiliser m of a head."""
    units, width = len(p["b_v"]), len(p["b_k"])
    c, n, m, found = np.zeros((units, width)), np.zeros(width), -1e30, []
    for x in xs:
        pre = {g: p[f"W_{g}"] @ x + p[f"b_{g}"] for g in "qkvifo"}
        log_f = np.log(sigmoid(cap(pre["f"][0])))
        log_i = cap(pre["i"][0])
        last, m = m, max(log_f + m, log_i)
        f, i = np.exp(log_f + last - m), np.exp(log_i - m)
        c = f * c + i * np.outer(pre["v"], pre["k"])
        n = f * n + i * pre["k"]
        q = pre["q"] / np.sqrt(width)
        y = sigmoid(pre["o"]) * (c @ q) / max(abs(n @ q), np.exp(-m))
        size = np.exp(m)
        found.append(np.concatenate((y, (c * size).flatten(), n * size)))
    return np.array(found)


def delta_net(p, xs):
    """By the product with ``I - beta k k'``."""
    units, width = len(p["W_v"]), len(p["W_k"])
    s, found = np.zeros((units, width)), []
    for x in xs:
        k, q = p["W_k"] @ x, p["W_q"] @ x
        k, q = k / np.sqrt(k @ k + 1e-6), q / np.sqrt(q @ q + 1e-6)
        beta = sigmoid(p["W_beta"] @ x + p["b_beta"])[0]
        rate = np.exp(p["A_log"]) * softplus(p["W_a"] @ x + p["b_a"])
        alpha = np.exp(-rate)[0]
        s = alpha * s @ (np.eye(width) - beta * np.outer(k, k))
        s = s + beta * np.outer(p["W_v"] @ x, k)
        found.append(np.concatenate((s @ q / np.sqrt(width), s.flatten())))
    return np.array(found)


TWINS = {
    "MinGRU": min_gru,
    "MinLSTM": min_lstm,
    "DiagRNN": diag_rnn,
    "RGLRU": rg_lru,
    "LRU": lru,
    "S6": s6,
    "SLSTM": s_lstm,
    "MLSTM": m_lstm,
    "GatedDeltaNet": delta_net,
}
