"""Lesson 11: translation, and what a teacher writes."""

from functools import partial

import torch

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.own import OwnStudy
from kdlab.exercises.translating import (
    as_data,
    audited,
    beam_step,
    beginnings,
    blend,
    nearest,
    shares_of,
    texts,
    three,
    ways,
    word_by_word,
)  # fmt: skip

BLEND = Exercise(
    "11.1", "The best that a parallel translator can say", see="Two translators",
    right="Each place is right by itself. Nobody asked whether they go together.",
    reference=blend, observe=value,
    cases={
        "three renderings of six words": partial(ways, 3, 6, (0.45, 0.3, 0.25), 8),
        "five renderings of nine words": partial(ways, 5, 9, (0.34, 0.23, 0.17, 0.15, 0.11), 84),
    },
    mistakes=[
        Mistake("the commonest rendering",
            "That is one sentence, and it takes a look at more than one place to say it. At each place alone the likeliest word is asked for.",
            lambda t, w: t[w.argmax()]),
        Mistake("each word after those before it",
            "You drop the renderings that do not fit the words so far. A parallel translator does not know what it has said.",
            word_by_word),
        Mistake("every rendering counted once", "Some renderings are written more often: add up their shares, word by word.",
            lambda t, w: blend(t, torch.ones_like(w)), lambda t, w: t.mode(dim=0).values),
        Mistake("numbers of words averaged", "Word 7 is not halfway between 6 and 8. Add up shares, and take the word that has most.",
            lambda t, w: (w[:, None] * t).sum(0), lambda t, w: (w[:, None] * t).sum(0).round(), lambda t, w: (w[:, None] * t).sum(0).floor(),
            lambda t, w: t.double().mean(0), lambda t, w: t.double().mean(0).round(), lambda t, w: t.median(dim=0).values),
        Mistake("the rendering nearest to the blend", "That would be valid, and takes a look at all places at once. Leave each place to itself.", nearest),
        Mistake("the share in place of the word", "These are the largest shares. Which words have them?",
            lambda t, w: shares_of(t, w).max(dim=1).values),
        Mistake("all shares", "The shares are right. Take the likeliest word of each place.", shares_of),
        Mistake("the rarest word", "The likeliest is asked for.", lambda t, w: blend(t, -w),
            lambda t, w: shares_of(t, w).masked_fill(shares_of(t, w) == 0, 2).argmin(dim=1)),
        Mistake("the first rendering", "It is one of several. Add up the shares of all, word by word.", lambda t, w: t[-1], lambda t, w: t[w.argmin()]),
        Mistake("drawn, not the likeliest", "A draw is another each time. Take the likeliest.",
            lambda t, w: t[torch.multinomial(w, 1)[0]], lambda t, w: t[torch.multinomial(w, t.shape[1], replacement=True), torch.arange(t.shape[1])],
            lambda t, w: torch.multinomial(shares_of(t, w), 1)[:, 0]),
        Mistake("the place where a word is likeliest", "For each word you look for its place. For each place, look for its word.",
            lambda t, w: shares_of(t, w).argmax(dim=0)),
        Mistake("which rendering, not which word", "That is the number of a rendering. Its word at that place is asked for.",
            lambda t, w: (w[:, None] * (t == blend(t, w))).argmax(dim=0), lambda t, w: w.argmax()),
        Mistake("only what most renderings share", "No word needs a majority: the likeliest is said, however unlikely it is.",
            lambda t, w: blend(t, w).masked_fill(shares_of(t, w).max(dim=1).values <= 0.5, 0)),
    ],
)  # fmt: skip


STEP = Exercise(
    "11.2", "One step of a beam", see="What the teacher writes",
    right="All continuations compete in one pool, and what is finished waits with the score that it has.",
    reference=beam_step, observe=value,
    cases={
        "two beginnings, four words": partial(beginnings, 2, 4, 2, 1, 2),
        "three beginnings, six words": partial(beginnings, 3, 6, 3, 2, 102),
        "four beginnings, five words, two kept": partial(beginnings, 4, 5, 2, 0, 202),
    },
    mistakes=[
        Mistake("finished beginnings go on", "After its end a sentence says nothing more: its only continuation is the stop, at no cost.",
            partial(beam_step, of_done="goes on"),
            partial(beam_step, of_done="the stop is free")),
        Mistake("finished beginnings pay for the stop again", "The stop was paid for when it was said. From then on it adds 0.",
            partial(beam_step, of_done="pays")),
        Mistake("finished beginnings are dropped", "They stay in the beam, with the score that they have: one of them may be the best in the end.",
            partial(beam_step, of_done="is dropped")),
        Mistake("finished beginnings may say anything for nothing", "Only the stop is free. All other words after it are impossible: -inf.",
            partial(beam_step, of_done="may say anything")),
        Mistake("the last word alone decides", "A sentence is as likely as all its words: add the score of its beginning.",
            partial(beam_step, total=lambda s, f: f), partial(beam_step, total=lambda s, f: f, of_done="goes on")),
        Mistake("logarithms multiplied", "Probabilities are multiplied, so their logarithms are added.",
            partial(beam_step, total=lambda s, f: s[:, None] * f), partial(beam_step, total=lambda s, f: s[:, None] * f, of_done="goes on"),
            partial(beam_step, total=lambda s, f: s[:, None] * f.masked_fill(f < -1e9, -torch.inf))),
        Mistake("probabilities added", "The chance of both is the product. Add the logarithms as they are.",
            partial(beam_step, total=lambda s, f: s.exp()[:, None] + f.exp()), partial(beam_step, total=lambda s, f: (s.exp()[:, None] + f.exp()).log())),
        Mistake("one continuation a beginning", "That is greedy, several times. All continuations of all beginnings compete.",
            partial(beam_step, per_beam=1)),
        Mistake("the score of the last word handed back", "The right ones are kept, with the score of their last word only. The next step needs the whole.",
            partial(beam_step, told=lambda kept, last: last)),
        Mistake("probabilities handed back", "The next step adds logarithms. Do not take the exponential.",
            partial(beam_step, told=lambda kept, last: kept.exp())),
        Mistake("a mean over the two", "The score is a sum of logarithms. Divided by the length it is another search.",
            partial(beam_step, total=lambda s, f: (s[:, None] + f) / 2)),
        Mistake("word and beginning exchanged", "In the flattened table beginnings come first: place // C is the beginning, place % C the word.",
            partial(beam_step, parent=lambda b, c, w: b % c, word=lambda b, c, w: b // c)),
        Mistake("divided by the width", "The flattened table has C words a row: divide by C, not by the number of beginnings.",
            partial(beam_step, parent=lambda b, c, w: b // w, word=lambda b, c, w: b % w), partial(beam_step, parent=lambda b, c, w: b // w)),
        Mistake("divided by the number of beginnings", "The flattened table has C words a row: place // C is the beginning.",
            lambda s, f, d, stop, w: beam_step(s, f, d, stop, w, parent=lambda b, c, _: b // len(s)),
            lambda s, f, d, stop, w: beam_step(s, f, d, stop, w, parent=lambda b, c, _: b // len(s), word=lambda b, c, _: b % len(s))),
        Mistake("places of the flattened table", "The place says both: // C is the beginning, % C the word.",
            partial(beam_step, word=lambda b, c, w: b)),
        Mistake("the worst are kept", "Log-probabilities are negative, and the largest is the best.", partial(beam_step, largest=False)),
        Mistake("all continuations", "Keep the best `width` of them.",
            lambda s, f, d, stop, w: beam_step(s, f, d, stop, f.numel()), lambda s, f, d, stop, w: beam_step(s, f, d, stop, len(s))),
        Mistake("worst first", "These are the best ones, in the order turned round: best first.",
            lambda *a: tuple(part.flip(0) for part in beam_step(*a))),
        Mistake("in another order", "Give scores, beginnings, words, in this order.",
            lambda *a: (lambda s, p, w: (p, w, s))(*beam_step(*a)),
            lambda *a: (lambda s, p, w: (w, p, s))(*beam_step(*a)), lambda *a: (lambda s, p, w: (w, s, p))(*beam_step(*a)),
            lambda *a: (lambda s, p, w: (p, s, w))(*beam_step(*a))),
    ],
)  # fmt: skip


AS_DATA = Exercise(
    "11.3", "A text as data", see="What the teacher writes",
    right="At each place the student reads what came before, and is asked for what comes next, up to the end and with it.",
    reference=as_data, observe=value,
    cases={"two texts of five": partial(texts, 2, 5, 1), "five texts of eight": partial(texts, 5, 8, 2)},
    mistakes=[
        Mistake("not shifted", "The student reads the very word that it is asked for: the loss falls to 0, and nothing is learned.",
            partial(as_data, read=lambda t, b: t)),
        Mistake("shifted the wrong way", "It reads the word after the one that it is asked for. What it reads lies one place earlier.",
            partial(as_data, read=lambda t, b: torch.cat([t[:, 1:], torch.full_like(t[:, :1], b)], dim=1))),
        Mistake("read and said exchanged", "First what is read, then what is to be said.", lambda t, b, s: as_data(t, b, s)[::-1]),
        Mistake("shifted twice", "The beginning stands before the text; then the labels are the text itself.",
            partial(as_data, said=lambda t: torch.cat([t[:, 1:], torch.full_like(t[:, :1], -100)], dim=1)),
            lambda t, b, s: (as_data(t, b, s)[0], torch.cat([as_data(t, b, s)[1][:, 1:], torch.full_like(t[:, :1], -100)], dim=1)),
            lambda t, b, s: (as_data(t, b, s)[0], as_data(t, b, s)[1].roll(-1, dims=1))),
        Mistake("the last word put in front", "roll moves the last word to the front. The beginning belongs there.",
            partial(as_data, read=lambda t, b: t.roll(1, dims=1))),
        Mistake("no beginning", "Without it the first word is never asked for.",
            partial(as_data, read=lambda t, b: t[:, :-1], said=lambda t: t[:, 1:]), partial(as_data, read=lambda t, b: t[:, :-1], said=lambda t: t[:, 1:], ended=None)),
        Mistake("longer by a place", "Each text (T) gives T places: what is read ends before the last word.",
            partial(as_data, read=lambda t, b: torch.cat([torch.full_like(t[:, :1], b), t], dim=1))),
        Mistake("what follows the end counts", "After the first stop nothing is to be said: -100.", partial(as_data, ended=None)),
        Mistake("the end is not learned", "The stop is a word like others. A student that never learns it goes on for ever.",
            partial(as_data, ended=lambda ends: ends.cumsum(dim=1) > 0)),
        Mistake("only the stops left out", "What follows the first stop is left out, whatever it is; the first stop itself stays.",
            partial(as_data, ended=lambda ends: ends.bool()), partial(as_data, ended=lambda ends: (ends.cumsum(dim=1) > 1) & ends.bool())),
        Mistake("one place too many counts", "The place right after the stop counts no more.",
            partial(as_data, ended=lambda ends: torch.cat([torch.zeros_like(ends[:, :1]).bool(), (ends.cumsum(1) > ends)[:, :-1]], dim=1))),
        Mistake("up to the last stop", "The text ends at its first stop. What a model says after it is nothing to learn.",
            partial(as_data, ended=lambda ends: ends.flip(1).cumsum(1).flip(1) == 0), partial(as_data, ended=lambda ends: (ends.flip(1).cumsum(1).flip(1) == 0) & (ends.sum(1, keepdim=True) > 0))),
        Mistake("0 or the stop where nothing counts", "0 is a word. The loss leaves out -100.",
            partial(as_data, nothing=0), partial(as_data, nothing=2), partial(as_data, nothing=-1)),
        Mistake("-100 among what is read", "Only labels may be -100: no word has that number, and an embedding breaks at it.",
            partial(as_data, read_ended=-100), partial(as_data, read=lambda t, b: torch.cat([torch.full_like(t[:, :1], b), t[:, :-1]], 1).masked_fill(torch.cat([torch.zeros_like(t[:, :1]).bool(), ((t == 2).long().cumsum(1) > (t == 2).long())[:, :-1]], 1), -100))),
        Mistake("the beginning is to be said", "It is given. The labels begin with the first word of the text.",
            partial(as_data, said=lambda t: torch.cat([torch.ones_like(t[:, :1]), t[:, :-1]], dim=1), ended=None)),
        Mistake("the stop in front", "The text begins with the beginning, not with the stop.",
            partial(as_data, read=lambda t, b: torch.cat([torch.full_like(t[:, :1], 2), t[:, :-1]], dim=1))),
        Mistake("something else read after the end", "What is read there does not count, as nothing is to be said.",
            partial(as_data, read_ended=2), partial(as_data, read_ended=0), partial(as_data, read_ended=1), accept=True),
        Mistake("one of the two alone", "Give both: what is read, and what is to be said.",
            lambda t, b, s: as_data(t, b, s)[0], lambda t, b, s: as_data(t, b, s)[1]),
    ],
)  # fmt: skip


class _OwnStyle(OwnStudy):
    shipped = "translation"
    run_here = ("greedy", "drawn", "commonest style")

    def _faults(self, result):
        yield from super()._faults(result)
        if result.margin != 1:
            yield "another margin", f"your margin is {result.margin:g}; 1 nat is asked for."
        if not any(result.scores.get("references", [1])):
            text = "all of your references' scores are 0, as valid translations are. Score by `nats_of_likeliest`."
            yield "valid translations in place of nats", text


STYLE = _OwnStyle(
    "11.4", "Any one style?", see="The experiment: is it the teacher?",
    arms=("references", "rarest style"), seeds=3,
    meaning={
        "helps": "One style is learned, though no writer prefers it and no teacher chose it: being consistent is what counts.",
        "hurts": "A style that hardly anybody writes is worse than a mixture of all.",
        "same": "Which is no worse and no better, by more than the margin.",
        "open": "So few seeds cannot tell. That is not the same as no effect.",
    },
)  # fmt: skip


AUDIT = Exercise(
    "11.5", "What passes a filter", see="Filters",
    right="How much a filter keeps says nothing. What it lets through, by kind, does.",
    reference=three(), observe=value,
    cases={"thirty answers": partial(audited, 1, 30), "two hundred answers": partial(audited, 2, 200)},
    mistakes=[
        Mistake("precision and recall exchanged", "Precision is out of those kept, recall out of those that are right.",
            three(lambda k, r, s, share: share(k & r, r), lambda k, r, s, share: share(k & r, k))),
        Mistake("how many are kept", "The share kept says how strict a filter is, not how good.",
            three(first=lambda k, r, s, share: share(k, torch.ones_like(k))), three(second=lambda k, r, s, share: share(k, torch.ones_like(k)))),
        Mistake("accuracy", "That also counts what was rightly thrown away. Precision looks at those kept alone.",
            three(first=lambda k, r, s, share: share(k == r, torch.ones_like(k))), three(second=lambda k, r, s, share: share(k == r, torch.ones_like(k)))),
        Mistake("out of all answers", "Divide by those kept, by those right, and by those with the slip.",
            three(*[lambda k, r, s, share: share(k & r, torch.ones_like(k))] * 2, lambda k, r, s, share: share(k & s, torch.ones_like(k))),
            three(first=lambda k, r, s, share: share(k & r, torch.ones_like(k))), three(third=lambda k, r, s, share: share(k & s, torch.ones_like(k)))),
        Mistake("slips among those kept", "That hangs on how many slips there were. How many of the slips pass?",
            three(third=lambda k, r, s, share: share(k & s, k))),
        Mistake("all faults, not the slip", "Asked is the one kind: of the answers with the slip, how many are kept.",
            three(third=lambda k, r, s, share: share(k & ~r, ~r)), three(third=lambda k, r, s, share: share(k & ~r & ~s, ~r & ~s)),
            three(third=lambda k, r, s, share: share(k & ~r, k)), three(third=lambda k, r, s, share: share(k & s, k & ~r)),
            three(third=lambda k, r, s, share: share(k & s, ~r))),
        Mistake("slips thrown away", "That is how many the filter finds. Asked is how many pass.", three(third=lambda k, r, s, share: share(~k & s, s))),
        Mistake("right ones lost", "That is 100 minus the recall.", three(second=lambda k, r, s, share: share(~k & r, r))),
        Mistake("wrong ones kept", "That is 100 minus the precision.", three(first=lambda k, r, s, share: share(k & ~r, k))),
        Mistake("the mask turned round", "`kept` is True where the answer stays.", lambda k, r, s: three()(~k, r, s)),
        Mistake("wrong taken for right", "`right` is True where the answer is right.", lambda k, r, s: three()(k, ~r, s)),
        Mistake("a share in place of percent", "Right, but between 0 and 1: percent are asked for.", three(factor=1)),
        Mistake("counts", "Shares are asked for, in percent.", lambda k, r, s: ((k & r).sum(), (k & r).sum(), (k & s).sum()),
            lambda k, r, s: (k.sum(), r.sum(), s.sum())),
        Mistake("F1 in place of one of them", "One number hides which of the two is low.",
            three(first=lambda k, r, s, share: 2 * (k & r).sum() / (k.sum() + r.sum())), three(second=lambda k, r, s, share: 2 * (k & r).sum() / (k.sum() + r.sum()))),
        Mistake("in another order", "Give precision, recall, slips kept, in this order.",
            lambda k, r, s: (lambda a, b, c: (c, a, b))(*three()(k, r, s)), lambda k, r, s: (lambda a, b, c: (a, c, b))(*three()(k, r, s)),
            lambda k, r, s: (lambda a, b, c: (c, b, a))(*three()(k, r, s)), lambda k, r, s: (lambda a, b, c: (b, c, a))(*three()(k, r, s))),
    ],
)  # fmt: skip


EXERCISES = [BLEND, STEP, AS_DATA, STYLE, AUDIT]
