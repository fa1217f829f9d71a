"""What is read off a model of text, and off the text that it writes."""

import math
import re

import torch.nn.functional as F

from kdlab.data.text import PROMPT, cut, decode
from kdlab.metrics.answers import predict


def bits_per_character(model, inputs, labels):
    """Mean of -log2 p of the character that follows, where the label is not -100: lower is better.

    Two to this power is the perplexity, by characters. Asked about text that people wrote, it says how well
    a model predicts; a teacher that is asked about a student's text is a judge of it.

    Parameters
    ----------
    model : Module, Teacher or callable
    inputs, labels : int64 Tensor of shape (N, T)
        As :class:`kdlab.data.text.Windows` has them.

    Raises
    ------
    ValueError
        If the shapes differ, or no label counts.
    """
    if inputs.shape != labels.shape or not (labels != -100).any():
        raise ValueError(
            f"inputs {tuple(inputs.shape)} and labels {tuple(labels.shape)} must be (N, T) alike, and some "
            f"label must count"
        )
    logits = predict(model, inputs)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100).item() / math.log(2)


def distinct(tokens, n=4):
    """Share of different ones among all runs of ``n`` characters of the rows (N, T): from near 0 to 1.

    It falls with the amount of text: compare equal amounts. After Li et al. (2016), "A Diversity-Promoting
    Objective Function for Neural Conversation Models". ValueError if the rows are too short.
    """
    if tokens.ndim != 2 or tokens.shape[1] < n or not len(tokens):
        raise ValueError(f"tokens {tuple(tokens.shape)} must be rows of at least {n}")
    runs = tokens.unfold(1, n, 1).flatten(0, 1)
    return len(runs.unique(dim=0)) / len(runs)


def vocabulary(*texts):
    """All words of two letters and more."""
    return {word for text in texts for word in re.findall("[a-z]{2,}", text)}


def real_words(tokens, known):
    """Share of the words written in rows (N, T) that are among the ``known``; cut ones at the ends left out.

    0 where no word was written.
    """
    written = [w for row in tokens for w in re.findall("(?<![a-z])[a-z]{2,}(?![a-z])", decode(row)[1:-1])]
    return sum(word in known for word in written) / max(1, len(written))


def divergence(teacher, student, inputs, labels, *, reverse=False):
    """Mean divergence of two models at the places that count, in bits: KL(teacher || student), or reversed.

    On a teacher's text and the forward direction this is how much of the teacher a student misses; on the
    student's own text and reversed, how much it writes that the teacher would not.
    """
    logs = [predict(m, inputs)[labels != -100].log_softmax(dim=-1) for m in (teacher, student)]
    p, q = logs[::-1] if reverse else logs
    return F.kl_div(q, p, log_target=True, reduction="batchmean").item() / math.log(2)


def readings(student, teacher, held_out, written, known):
    """By name, what the course reads of a student and of the pieces (N, PROMPT + WRITTEN) that it wrote.

    ``held_out`` are :class:`kdlab.data.text.Windows`; ``bits of the judge`` are the teacher's, on what the
    student wrote.
    """
    own = cut(written)
    text = written[:, PROMPT:]
    return {
        "bits": bits_per_character(student, *held_out),
        "bits of the judge": bits_per_character(teacher, *own),
        "distinct": 100 * distinct(text),
        "real words": 100 * real_words(text, known),
        "reverse KL": divergence(teacher, student, *own, reverse=True),
    }
