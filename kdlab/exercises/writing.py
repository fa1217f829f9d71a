"""Lesson 10's losses and measures of text: right by default, and each option a known mistake."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from kdlab.exercises.core import as_tensor


def sequences(lengths, classes=5):
    """Logits of student and teacher (B, T, classes), and labels (B, T): -100 behind each sequence's end."""
    random = torch.Generator().manual_seed(len(lengths))
    shape = len(lengths), max(lengths)
    student, teacher = (2 * torch.randn(*shape, classes, generator=random) for _ in range(2))
    labels = torch.randint(classes, shape, generator=random)
    labels[0, 0] = 0  # a word like others
    for row, length in zip(labels, lengths):
        row[length:] = -100
    return student, teacher, labels


def forward_kl(s, t, dim=-1):
    """KL(teacher || student) of each row."""
    s, t = s.log_softmax(dim), t.log_softmax(dim)
    return (t.exp() * (t - s)).sum(-1)


def reverse_kl(s, t, dim=-1):
    s, t = s.log_softmax(dim), t.log_softmax(dim)
    return (s.exp() * (s - t)).sum(-1)


def counts(labels):
    return labels != -100


def per_token(rows, mask):
    return rows[mask].mean()


def per_sequence(rows, mask):
    return torch.stack([row[some].mean() for row, some in zip(rows, mask) if some.any()]).mean()


def word_kl(s, t, labels, *, of=forward_kl, mask=counts, over=per_token):
    return over(of(s, t), mask(labels))


def by_label(s, t, labels):
    return F.cross_entropy(s.flatten(0, 1), labels.flatten(), ignore_index=-100)


def soft_cross_entropy(s, t):
    return -(t.softmax(-1) * s.log_softmax(-1)).sum(-1)


# ---- bits of a text


def judged_text(batch, length, prompt):
    """Logits (batch, length, 4), characters that they mostly foresee, and how long the prompt is."""
    random = torch.Generator().manual_seed(length)
    tokens = torch.randint(4, (batch, length), generator=random)
    logits = torch.randn(batch, length, 4, generator=random)
    logits[:, :-1] += 2 * F.one_hot(tokens[:, 1:], 4)
    return logits, tokens, prompt


def bits(
    logits, tokens, prompt, *, places=lambda n, p: slice(p - 1, n - 1), of=lambda n, p: slice(p, n),
    log=lambda z: z.log_softmax(-1), over=lambda nats: nats.mean() / math.log(2), pick=None,
):  # fmt: skip
    """-log p of the characters ``of`` these places, foreseen at those ``places``."""
    n = tokens.shape[1]
    z, y = log(logits)[:, places(n, prompt)], tokens[:, of(n, prompt)]
    return over(pick(z) if pick else -z.gather(2, y[..., None])[..., 0])


def model_entropy(z):
    return -(z.exp() * z).sum(-1)


# ---- between the two directions


def answers(beta, rows=3, classes=5):
    """Logits of both sides, and beta."""
    random = torch.Generator().manual_seed(7)
    return (*(2 * torch.randn(rows, classes, generator=random) for _ in range(2)), beta)


def probabilities(share, t, s):
    return (share * t.exp() + (1 - share) * s.exp()).log()


def jsd(
    s, t, beta, *, ends=True, swap_ends=False, mix=probabilities, share=lambda b: b, weight=lambda b: b,
    turned=False, scale=lambda b: 1.0, only=None, over=lambda rows: rows.mean(), dim=1,
):  # fmt: skip
    s, t = s.log_softmax(dim), t.log_softmax(dim)
    forward, backward = _kl(t, s), _kl(s, t)
    if ends and beta in (0, 1):
        return over(forward if (beta == 0) != swap_ends else backward)
    m = mix(share(beta), t, s)
    parts = [
        weight(beta) * (_kl(m, t) if turned else _kl(t, m)),
        (1 - weight(beta)) * (_kl(m, s) if turned else _kl(s, m)),
    ]
    rows = parts[only] if only is not None else parts[0] + parts[1]
    return over(scale(beta) * rows)


def _kl(p, q):
    return (p.exp() * (p - q)).sum(1)


def two_kls(s, t, beta):
    return ((1 - beta) * forward_kl(s, t) + beta * reverse_kl(s, t)).mean()


# ---- a step on the student's own text


class Writer(nn.Module):
    """A table of logits (C, C): what follows which token, and a little the one before. Its text follows."""

    def __init__(self, classes, seed):
        super().__init__()
        self.table = nn.Parameter(
            2 * torch.randn(classes, classes, generator=torch.Generator().manual_seed(seed))
        )

    def forward(self, tokens):
        rows = self.table[tokens]
        return rows + 0.7 * torch.cat([0 * rows[:, :1], rows[:, :-1]], dim=1).flip(-1)


def write(model, prompts, length=4):
    """Prompts (B, P) and what the model, and no other, would write after them."""
    tokens = prompts
    for step in range(length):
        with torch.no_grad():
            random = torch.Generator().manual_seed(step)
            noise = -(-torch.rand(model.table.shape[1], generator=random).log()).log()
            tokens = torch.cat([tokens, (model(tokens)[:, -1:] + noise).argmax(-1)], dim=1)
    return tokens


def two_writers(batch, prompt, classes=6):
    prompts = torch.randint(classes, (batch, prompt), generator=torch.Generator().manual_seed(batch))
    return Writer(classes, 1), Writer(classes, 2), prompts, write


def loss_of_a_step(function, arguments):
    """The loss that a step gives, and its gradient to the student's table."""
    table, loss = arguments[0].table, as_tensor(function(*arguments))
    gradient = torch.autograd.grad(loss.sum(), table, allow_unused=True)[0] if loss.requires_grad else None
    return {"value": loss.detach(), "gradient": torch.zeros_like(table) if gradient is None else gradient}


def step(
    student, teacher, prompts, write, *, by=lambda s, t: s, shown=lambda text, prompts: text,
    places=lambda n, p: slice(p - 1, n - 1), of=reverse_kl, over=lambda rows: rows.mean(), grad=False,
):  # fmt: skip
    text = shown(write(by(student, teacher), prompts), prompts)
    some = places(text.shape[1], prompts.shape[1])
    with torch.set_grad_enabled(grad):
        t = teacher(text)[:, some]
    return over(of(student(text)[:, some], t))


def by_tokens(who, sign=1):
    """The written tokens as if they were labels, for ``who``."""

    def code(student, teacher, prompts, write):
        text = write(student, prompts)
        z = who(student, teacher)(text)[:, prompts.shape[1] - 1 : -1]
        return sign * F.cross_entropy(z.flatten(0, 1), text[:, prompts.shape[1] :].flatten())

    return code
