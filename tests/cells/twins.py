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


TWINS = {
    "MinGRU": min_gru,
    "MinLSTM": min_lstm,
    "DiagRNN": diag_rnn,
    "RGLRU": rg_lru,
    "LRU": lru,
}
