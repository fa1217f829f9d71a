"""Lesson 10: what a student of text is asked to match, and what is read off its text."""

import math
from functools import partial

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.own import OwnStudy
from kdlab.exercises.writing import (
    answers,
    bits,
    by_label,
    by_tokens,
    forward_kl,
    jsd,
    judged_text,
    loss_of_a_step,
    model_entropy,
    per_sequence,
    reverse_kl,
    sequences,
    soft_cross_entropy,
    step,
    two_kls,
    two_writers,
    word_kl,
)  # fmt: skip
from kdlab.losses import generalized_jsd_loss

BITS = Exercise(
    "10.1", "The character that follows", see="A model of text, and its bits",
    right="The logits of a place are about the next character: the last place foresees what is not there.",
    reference=bits, observe=value,
    cases={
        "one text of 5 characters, 2 of them the prompt": partial(judged_text, 1, 5, 2),
        "three of 9, 4 of them the prompt": partial(judged_text, 3, 9, 4),
    },
    mistakes=[
        Mistake("not shifted", "Logits of place t are compared with the character at t, which the model has just read. They are about t + 1.",
            partial(bits, places=lambda n, p: slice(p, n))),
        Mistake("shifted the wrong way", "Logits of place t are about t + 1, and not t - 1.",
            partial(bits, places=lambda n, p: slice(p + 1, n), of=lambda n, p: slice(p, n - 1)),
            partial(bits, places=lambda n, p: slice(p, n), of=lambda n, p: slice(p - 1, n - 1)),
            partial(bits, places=lambda n, p: slice(1, n), of=lambda n, p: slice(0, n - 1))),
        Mistake("the prompt counted", "Nobody wrote the prompt. Count from its end on.",
            partial(bits, places=lambda n, p: slice(0, n - 1), of=lambda n, p: slice(1, n)),
            partial(bits, places=lambda n, p: slice(0, n), of=lambda n, p: slice(0, n))),
        Mistake("the prompt alone", "What counts is what was written after it.",
            partial(bits, places=lambda n, p: slice(0, p - 1), of=lambda n, p: slice(1, p)),
            partial(bits, places=lambda n, p: slice(0, p), of=lambda n, p: slice(0, p))),
        Mistake("the first written character left out", "It is foreseen at the prompt's last place.",
            partial(bits, places=lambda n, p: slice(p, n - 1), of=lambda n, p: slice(p + 1, n))),
        Mistake("one of the prompt counted", "The first that counts stands right after the prompt.",
            partial(bits, places=lambda n, p: slice(p - 2, n - 1), of=lambda n, p: slice(p - 1, n))),
        Mistake("in nats", "Divide by the logarithm of 2.", partial(bits, over=lambda nats: nats.mean())),
        Mistake("another base", "Bits are logarithms to the base 2.", partial(bits, over=lambda nats: nats.mean() / math.log(10)),
            partial(bits, over=lambda nats: nats.mean() * math.log(2))),
        Mistake("the perplexity", "That is 2 to the power of the bits.", partial(bits, over=lambda nats: nats.mean().exp()),
            partial(bits, over=lambda nats: nats.exp().mean())),
        Mistake("a sum", "Bits a character: divide by how many there are.", partial(bits, over=lambda nats: nats.sum() / math.log(2)),
            partial(bits, over=lambda nats: nats.sum(dim=1).mean() / math.log(2))),
        Mistake("the mean of the probabilities", "Take logarithms first, then the mean: a text's probability is a product.",
            partial(bits, over=lambda nats: -(-nats).exp().mean().log2()), partial(bits, over=lambda nats: (-nats).exp().mean())),
        Mistake("the sign", "Probabilities are below 1, their logarithms below 0: minus the mean.",
            partial(bits, over=lambda nats: -nats.mean() / math.log(2)), partial(bits, over=lambda nats: -nats.mean())),
        Mistake("the likeliest character, not the one that came", "A model is judged by the character that followed.",
            partial(bits, pick=lambda z: -z.max(-1).values)),
        Mistake("the model's own entropy", "How unsure it is, whatever follows. Look up the character that came.", partial(bits, pick=model_entropy)),
        Mistake("no softmax", "Logits are no log-probabilities yet.", partial(bits, log=lambda z: z)),
        Mistake("softmax twice", "cross_entropy takes logits and does the softmax itself.", partial(bits, log=lambda z: z.softmax(-1).log_softmax(-1))),
        Mistake("softmax over places", "Classes lie along the last axis.", partial(bits, log=lambda z: z.log_softmax(1))),
        Mistake("probabilities, no logarithm", "log_softmax, in place of softmax.", partial(bits, log=lambda z: z.softmax(-1))),
        Mistake("one number a character", "The numbers are right. Take their mean.", partial(bits, over=lambda nats: nats / math.log(2))),
        Mistake("one number a text", "The texts' numbers are right. Take their mean.", partial(bits, over=lambda nats: nats.mean(dim=1) / math.log(2))),
        Mistake("the median", "The mean is asked for.", partial(bits, over=lambda nats: nats.median() / math.log(2))),
    ],
)  # fmt: skip


WORDS = Exercise(
    "10.2", "A mean over what?", see="What counts",
    right="Each character that counts has the same say, whatever stands behind the end of its sequence.",
    reference=word_kl,
    cases={
        "two sequences of 3 and 1 characters": partial(sequences, (3, 1)),
        "three sequences of 6, 4 and 1": partial(sequences, (6, 4, 1)),
    },
    mistakes=[
        Mistake("padding counted", "Places with a label of -100 are no text. Leave them out before the mean.",
            partial(word_kl, over=lambda rows, mask: rows.mean())),
        Mistake("padding set to 0 and still divided by", "The sum leaves padding out, the mean does not: divide by how many count.",
            partial(word_kl, over=lambda rows, mask: (rows * mask).mean())),
        Mistake("divided by sequences", "That is a sum over characters: batchmean of (B, T, C) divides by B alone. Divide by how many count.",
            partial(word_kl, over=lambda rows, mask: (rows * mask).sum() / len(rows)),
            partial(word_kl, over=lambda rows, mask: rows.sum() / len(rows))),
        Mistake("a mean per sequence", "Each sequence counts alike here, so that a character of a short one counts more. Take one mean over all characters.",
            partial(word_kl, over=per_sequence),
            partial(word_kl, over=lambda rows, mask: ((rows * mask).sum(1) / mask.sum(1).clamp(min=1)).mean())),
        Mistake("divided by classes, too", "reduction='mean' also divides by the number of classes. Sum over classes, then the mean.",
            partial(word_kl, over=lambda rows, mask: rows[mask].mean() / 5), partial(word_kl, over=lambda rows, mask: rows.mean() / 5),
            partial(word_kl, over=lambda rows, mask: (rows * mask).mean() / 5)),
        Mistake("a sum", "A sum grows with the text: divide by how many characters count.",
            partial(word_kl, over=lambda rows, mask: rows[mask].sum()), partial(word_kl, over=lambda rows, mask: rows.sum())),
        Mistake("the directions are swapped", "This is KL(student || teacher). The teacher's probabilities are the weights.",
            partial(word_kl, of=reverse_kl), partial(word_kl, of=reverse_kl, over=lambda rows, mask: rows.mean())),
        Mistake("a cross-entropy", "The teacher's entropy is in the value: the gradient is right, and a student that agrees does not get 0.",
            partial(word_kl, of=soft_cross_entropy)),
        Mistake("the labels are matched", "That is the corpus. Labels only say here which characters count.", by_label),
        Mistake("the student's logarithm is missing", "F.kl_div takes log-probabilities first.",
            partial(word_kl, of=lambda s, t: (t.softmax(-1) * (t.log_softmax(-1) - s.softmax(-1))).sum(-1))),
        Mistake("logarithms as targets", "F.kl_div takes the teacher's probabilities, or with log_target=True their logarithms.",
            partial(word_kl, of=lambda s, t: F.kl_div(s.log_softmax(-1), t.log_softmax(-1), reduction="none").sum(-1))),
        Mistake("softmax over places", "Classes lie along the last axis: softmax over -1.",
            partial(word_kl, of=partial(forward_kl, dim=1)), partial(word_kl, of=partial(forward_kl, dim=0))),
        Mistake("the padding alone", "The mask is the wrong way round: -100 marks what does not count.", partial(word_kl, mask=lambda y: y == -100)),
        Mistake("class 0 taken for padding", "A label of 0 is a character like others. Only -100 does not count.",
            partial(word_kl, mask=lambda y: y > 0)),
        Mistake("one number a character", "The characters' numbers are right. Take their mean.",
            partial(word_kl, over=lambda rows, mask: rows[mask]), partial(word_kl, over=lambda rows, mask: rows * mask)),
        Mistake("in bits", "Nats are asked for, as all losses have them.", partial(word_kl, over=lambda rows, mask: rows[mask].mean() / math.log(2))),
        Mistake("the sign", "A divergence is never negative.", partial(word_kl, over=lambda rows, mask: -rows[mask].mean())),
        Mistake("the student detached", "The value is right, but no gradient reaches the student.", lambda s, t, y: word_kl(s.detach(), t, y)),
    ],
)  # fmt: skip


BETWEEN = Exercise(
    "10.3", "From one end to the other", see="Between the two",
    right="Within, both sides against their mixture; at the ends one divergence each, which is a jump.",
    reference=lambda s, t, beta: generalized_jsd_loss(s, t, beta=beta),
    cases={f"beta = {beta}": partial(answers, beta) for beta in (0.5, 0.1, 0.9, 0, 1)},
    mistakes=[
        Mistake("nothing at the ends", "At beta = 0 and 1 the formula gives 0 (or nan). The two KLs are special cases there.",
            partial(jsd, ends=False), lambda s, t, beta: jsd(s, t, min(max(beta, 1e-6), 1 - 1e-6)),
            lambda s, t, beta: jsd(s, t, beta) if 0 < beta < 1 else 0.0 * s.sum(),
            lambda s, t, beta: jsd(s, t, beta) if 0 < beta < 1 else torch.nan * s.sum()),
        Mistake("the ends swapped", "beta = 0 is KL(teacher || student), beta = 1 is KL(student || teacher).", partial(jsd, swap_ends=True)),
        Mistake("one KL for both ends", "Each end has its own direction.",
            *(lambda s, t, beta, at=at: jsd(s, t, beta if 0 < beta < 1 else at) for at in (0, 1))),
        Mistake("the two weights swapped", "The teacher's divergence from the mixture has the weight beta. (Swapped, the ends would be limits.)",
            partial(jsd, weight=lambda b: 1 - b)),
        Mistake("the mixture swapped", "The mixture is beta of the teacher and 1 - beta of the student.",
            partial(jsd, share=lambda b: 1 - b)),
        Mistake("beta turned round", "This is right for 1 - beta: DistiLLM's lambda.",
            partial(jsd, share=lambda b: 1 - b, weight=lambda b: 1 - b),
            partial(jsd, share=lambda b: 1 - b, weight=lambda b: 1 - b, swap_ends=True)),
        Mistake("a mix of two KLs", "That is torchtune's symmetric KL. Here both sides are compared with a mixture.", two_kls,
            lambda s, t, beta: two_kls(s, t, 1 - beta)),
        Mistake("the mixture first", "KL(teacher || mixture) has the teacher's probabilities as weights; yours has the mixture's.",
            partial(jsd, turned=True)),
        Mistake("a mixture of logits", "Mix the probabilities. A mean of logits, or of logarithms, is a product of powers.",
            partial(jsd, mix=lambda b, t, s: (b * t + (1 - b) * s).log_softmax(1)), partial(jsd, mix=lambda b, t, s: b * t + (1 - b) * s)),
        Mistake("half and half, whatever beta", "Mixture and weights both follow beta.",
            partial(jsd, share=lambda b: 0.5, weight=lambda b: 0.5), partial(jsd, share=lambda b: 0.5), partial(jsd, weight=lambda b: 0.5)),
        Mistake("divided by beta", "The formula is not rescaled: its gradient goes to 0 towards the ends.",
            partial(jsd, scale=lambda b: 1 / b), partial(jsd, scale=lambda b: 1 / (1 - b)), partial(jsd, scale=lambda b: 1 / (b * (1 - b)))),
        Mistake("one half of it", "Both sides are compared with the mixture.", partial(jsd, only=0), partial(jsd, only=1)),
        Mistake("the weights are missing", "beta and 1 - beta stand before the two divergences.", partial(jsd, weight=lambda b: 1), partial(jsd, weight=lambda b: 0),
            lambda s, t, beta: jsd(s, t, beta) if beta in (0, 1) else jsd(s, t, beta, only=0) / beta + jsd(s, t, beta, only=1) / (1 - beta)),
        Mistake("the student detached", "The value is right, but no gradient reaches the student.", lambda s, t, beta: jsd(s.detach(), t, beta)),
        Mistake("the wrong axis", "A row is one prediction: softmax over classes, dim=1.", partial(jsd, dim=0)),
        Mistake("a sum over rows", "The mean over rows is asked for.", partial(jsd, over=lambda rows: rows.sum())),
        Mistake("a mean over classes", "Sum over classes, then the mean over rows.", partial(jsd, over=lambda rows: rows.mean() / 5)),
        Mistake("one number a row", "The rows' numbers are right. Take their mean.", partial(jsd, over=lambda rows: rows)),
        Mistake("its root", "The root is a distance. The divergence is asked for.", partial(jsd, over=lambda rows: rows.mean().sqrt()),
            partial(jsd, over=lambda rows: rows.sqrt().mean())),
        Mistake("in bits", "Nats are asked for.", partial(jsd, over=lambda rows: rows.mean() / math.log(2))),
    ],
)  # fmt: skip


STEP = Exercise(
    "10.4", "A step on its own text", see="On its own text",
    right="The student writes, both are asked about that text, and only what was written counts. (Ask the teacher under no_grad: that spares memory.)",
    reference=step, observe=loss_of_a_step,
    cases={
        "one prompt of 2 tokens": partial(two_writers, 1, 2),
        "three prompts of 3": partial(two_writers, 3, 3),
    },
    mistakes=[
        Mistake("the teacher writes", "On-policy means: the student writes, and the teacher is asked about that.",
            partial(step, by=lambda s, t: t), partial(step, by=lambda s, t: t, of=forward_kl)),
        Mistake("asked about the prompts alone", "Both must read what was written, and not only the prompts.",
            partial(step, shown=lambda text, prompts: prompts, places=lambda n, p: slice(0, n)),
            partial(step, shown=lambda text, prompts: prompts, places=lambda n, p: slice(0, n - 1))),
        Mistake("asked without the prompts", "The written tokens follow the prompts: hand over the whole text.",
            partial(step, shown=lambda text, prompts: text[:, prompts.shape[1] :], places=lambda n, p: slice(0, n)),
            partial(step, shown=lambda text, prompts: text[:, prompts.shape[1] :], places=lambda n, p: slice(0, n - 1))),
        Mistake("the prompt counted", "Somebody else wrote the prompt. Count from its last place on, which foresees the first written token.",
            partial(step, places=lambda n, p: slice(0, n)), partial(step, places=lambda n, p: slice(0, n - 1))),
        Mistake("one place too late", "The first written token is foreseen at the prompt's last place.",
            partial(step, places=lambda n, p: slice(p, n)), partial(step, places=lambda n, p: slice(p, n - 1))),
        Mistake("the place after the end counted", "The last place foresees what nobody wrote.", partial(step, places=lambda n, p: slice(p - 1, n))),
        Mistake("the forward direction", "Asked for is KL(student || teacher): the student's probabilities are the weights.", partial(step, of=forward_kl),
            lambda s, t, prompts, write: step(t, s, prompts, write, by=lambda a, b: b, grad=True)),
        Mistake("the teacher's word on the tokens alone", "Tokens have no gradient: through them nothing reaches the student. Compare the two distributions.",
            by_tokens(lambda s, t: t), by_tokens(lambda s, t: t, -1)),
        Mistake("the student learns its own tokens", "That makes it surer of whatever it wrote. The teacher has to have a say.",
            by_tokens(lambda s, t: s), by_tokens(lambda s, t: s, -1)),
        Mistake("the teacher's likeliest token as label", "The whole distribution is asked for.",
            partial(step, of=lambda z, t: F.cross_entropy(z.flatten(0, 1), t.argmax(-1).flatten(), reduction="none"))),
        Mistake("a sum", "The mean over the written tokens is asked for.", partial(step, over=lambda rows: rows.sum()),
            partial(step, over=lambda rows: rows.sum(dim=1).mean()), partial(step, over=lambda rows: rows.sum(dim=0).mean())),
        Mistake("one number a token", "The tokens' numbers are right. Take their mean.", partial(step, over=lambda rows: rows)),
        Mistake("the student without gradient", "Only writing needs no gradient. Ask the student once more, outside no_grad.",
            partial(step, over=lambda rows: rows.mean().detach())),
    ],
)  # fmt: skip


UNIFORM = 8  # bits are below, also of students that are barely trained


class _OwnTemperature(OwnStudy):
    shipped = "text"
    run_here = ("smoothing, as soft", "its text", "its text, T = 0.5", "its text, greedy")

    def _faults(self, result):
        yield from super()._faults(result)
        level = sum(scores := result.scores.get("soft targets", [])) / max(1, len(scores))
        if level < UNIFORM and result.margin != 0.05:
            yield "another margin", f"your margin is {result.margin:g}; 0.05 bits are asked for."
        if level < UNIFORM and result.higher_is_better:
            yield "fewer bits are better", "say higher_is_better=False: fewer bits are better."


OWN = _OwnTemperature(
    "10.5", "A temperature for text", see="The experiment: what to learn from",
    arms=("soft targets", "T = 2"), seeds=3,
    meaning={
        "helps": "Softer probabilities predict held-out text better here. Most who train language models take T = 1.",
        "hurts": "Softened probabilities are no longer those of the text: T = 1 asks for what is to be learned.",
        "same": "The temperature changes held-out bits by less than the margin.",
        "open": "So few pairs cannot tell. That is not the same as no effect.",
    },
)  # fmt: skip


EXERCISES = [BITS, WORDS, BETWEEN, STEP, OWN]
