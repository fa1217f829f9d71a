"""Lesson 09: what a small student of payments learns from an ensemble, and what it inherits.

``python studies/tables.py`` fits four teachers a seed and trains some sixty students; about half an hour on
one core. Scores are expectations under the true probability of fraud, on rows drawn anew at each seed.
"""

from functools import cache, partial
from types import SimpleNamespace

import torch
import torch.nn.functional as F

from kdlab import metrics
from kdlab.data import made_up
from kdlab.data import tables as data
from kdlab.distill import Term, hard_labels, soft_targets
from kdlab.losses import hint_loss
from kdlab.models.tables import PaymentEncoder, PaymentNetwork
from kdlab.results import run_studies
from kdlab.study import Result, compare
from kdlab.teachers.tables import ensemble

TEACHERS, STUDENTS, EXTRA, TEST = 40_000, 4_000, 36_000, 30_000  # rows
TRAINING = {"steps": 2000, "batch_size": 256, "learning_rate": 0.004}
ROWS_KEPT, HIDDEN, LEAVES = (300, 1000, 4000), (6, 16, 64), (8, 16, 32, 64)
# Chosen by the studies "decay", on seeds of their own, from as many candidates for labels and for answers.
DECAYS, OWN_SEEDS = (0.01, 0.1, 0.3, 1.0), range(100, 105)
LABELS, ANSWERS = {300: 0.01, 1000: 1.0, 4000: 0.3, 40_000: 0.1}, {"weight_decay": 0.1}
AVERAGE_PRECISION = {"metric": "average precision, %", "margin": 1}
encode = PaymentEncoder()


@cache
def fitted(seed):
    """The teacher of a seed, and the rows that it and the student's side know."""
    part = data.payments(TEACHERS, 10 * seed)
    return SimpleNamespace(
        seed=seed, rows=part, teacher=ensemble(part, seed), kept=part.take(slice(STUDENTS)),
        fresh=data.payments(EXTRA, 10 * seed + 1), test=data.payments(TEST, 10 * seed + 2),
    )  # fmt: skip


@cache
def asked(seed):
    """The same, with the teacher's answers to what students see."""
    d = fitted(seed)
    for name in ("rows", "kept", "fresh"):
        setattr(d, f"{name}_answers", metrics.predict(d.teacher, getattr(d, name).inputs))
    return d


def students(arms, *, data=asked, hidden=16, baseline, seeds, score=None, **about):
    return compare(
        arms, data=data, student=lambda: PaymentNetwork(hidden), baseline=baseline, seeds=seeds, stacked=True,
        workers=1, score=score or precision, **{**AVERAGE_PRECISION, **about}, **TRAINING,
    )  # fmt: skip


def precision(student, d):
    return metrics.average_precision(student(encode(d.test.inputs)), d.test.probability)


def by_labels(part, decay=None):
    decay = LABELS[len(part.labels)] if decay is None else decay
    return encode(part.inputs), [hard_labels(part.labels)], {"weight_decay": decay}


def by_answers(rows, answers, temperature=1, decay=None):
    own = ANSWERS if decay is None else {"weight_decay": decay}
    return encode(rows), [soft_targets(answers, temperature=temperature)], own


def matched(name, loss, targets):
    return lambda d: (encode(d.fresh.inputs), [Term(name, targets(d), loss)], ANSWERS)


# ---- what an answer is worth

MAKERS = {
    "noise": partial(made_up.noisy_rows, nominal=data.NOMINAL),
    "uniform": partial(made_up.uniform_rows, nominal=data.NOMINAL),
    "columns apart": made_up.columns_apart,
    "MUNGE": partial(made_up.munge, nominal=data.NOMINAL),
}


def rows_kept(n, seeds):
    """Of the student's side ``n`` rows are left; the teacher answers these, and rows that are made up."""

    def made(maker):
        def arm(d):
            kept = d.kept.inputs[:n]
            new = data.as_payments(MAKERS[maker](kept, EXTRA, seed=d.seed))
            answers = [d.kept_answers[:n], metrics.predict(d.teacher, new)]
            return by_answers(torch.cat([kept, new]), torch.cat(answers))

        return arm

    arms = {"labels": lambda d: by_labels(d.kept.take(slice(n)))}
    arms["answers"] = lambda d: by_answers(d.kept.inputs[:n], d.kept_answers[:n])
    arms |= {f"answers and {maker}": made(maker) for maker in MAKERS}
    arms["answers and fresh rows"] = lambda d: by_answers(
        torch.cat([d.kept.inputs[:n], d.fresh.inputs]), torch.cat([d.kept_answers[:n], d.fresh_answers])
    )
    return students(arms, baseline="labels", seeds=seeds)


def equal_knowledge(n, seeds):
    """Teacher and student know the same ``n`` rows; both arms have the decay that was chosen for labels."""

    def known(seed):
        part = data.payments(TEACHERS, 10 * seed).take(slice(n))
        teacher = fitted(seed).teacher if n == TEACHERS else ensemble(part, seed)
        fresh = data.payments(EXTRA, 10 * seed + 1).inputs
        answers = [metrics.predict(teacher, rows) for rows in (part.inputs, fresh)]
        test = data.payments(TEST, 10 * seed + 2)
        return SimpleNamespace(part=part, fresh=fresh, answers=answers, test=test)

    def rows_too(d):
        return by_answers(torch.cat([d.part.inputs, d.fresh]), torch.cat(d.answers), decay=LABELS[n])

    arms = {
        "labels": lambda d: by_labels(d.part),
        "answers": lambda d: by_answers(d.part.inputs, d.answers[0], decay=LABELS[n]),
        "answers and fresh rows": rows_too,
    }
    return students(arms, data=known, baseline="labels", seeds=seeds)


def decay_of_labels(n, seeds):
    def unlabelled(seed):
        kept = data.payments(TEACHERS, 10 * seed).take(slice(n))
        return SimpleNamespace(kept=kept, test=data.payments(TEST, 10 * seed + 2))

    arms = {f"decay {value}": lambda d, value=value: by_labels(d.kept, value) for value in DECAYS}
    return students(arms, data=unlabelled, baseline="decay 0.01", seeds=OWN_SEEDS)


def decay_of_answers(seeds):
    arms = {
        f"decay {value}": lambda d, value=value: by_answers(d.kept.inputs, d.kept_answers, decay=value)
        for value in DECAYS
    }
    return students(arms, baseline="decay 0.01", seeds=OWN_SEEDS)


# ---- the teacher itself


@cache
def first_look(seeds):
    """Teachers beside a student of the labels that they learned from, and of the trees' answers."""
    scores = {}
    seen = students(
        {
            "student, labels": lambda d: by_labels(d.rows),
            "student, the trees' answers": lambda d: by_answers(
                d.rows.inputs, metrics.predict(d.teacher.named_estimators_["trees"], d.rows.inputs)
            ),
        },
        baseline="student, labels", seeds=seeds,
    )  # fmt: skip
    for seed in range(seeds):
        d = asked(seed)
        voters = {"teacher": d.teacher, **d.teacher.named_estimators_}
        for name, voter in voters.items():
            answers = metrics.predict(voter, d.test.inputs)
            scores.setdefault(name, []).append(metrics.average_precision(answers, d.test.probability))
        best = d.test.probability.logit()
        scores.setdefault("best possible", []).append(metrics.average_precision(best, d.test.probability))
    about = {"planned": seeds, "training": TRAINING, "seed_list": [*range(seeds)]}
    return Result("student, labels", seen.scores | scores, **about, **AVERAGE_PRECISION)


# ---- losses


def softened(temperature):
    return lambda d: by_answers(d.fresh.inputs, d.fresh_answers, temperature)


def logit(answers):
    return answers[:, 1:] - answers[:, :1]


def squared_probabilities(z, p):
    return hint_loss(z.sigmoid(), p)


def losses(hidden, seeds):
    arms = {f"T = {T}": softened(T) for T in (1, 2, 4)}
    arms["squared logits"] = matched("squared logits", hint_loss, lambda d: logit(d.fresh_answers))
    arms["squared probabilities"] = matched(
        "squared probabilities", squared_probabilities, lambda d: logit(d.fresh_answers).sigmoid()
    )
    return students(arms, hidden=hidden, baseline="T = 1", seeds=seeds)


def balanced_loss(z, y, *, share):
    """Cross-entropy with weights that give both classes the same total."""
    weights = torch.where(y > 0.5, 0.5 / share, 0.5 / (1 - share))
    return (weights * F.binary_cross_entropy_with_logits(z[:, 0], y, reduction="none")).mean()


def balanced(d):
    y = d.kept.labels.float()
    loss = partial(balanced_loss, share=float(y.mean()))
    return encode(d.kept.inputs), [Term("balanced labels", y, loss)], {"weight_decay": LABELS[STUDENTS]}


def drawn(d):
    random = torch.Generator().manual_seed(d.seed)
    p = logit(d.fresh_answers)[:, 0].sigmoid()
    return encode(d.fresh.inputs), [hard_labels((torch.rand(len(p), generator=random) < p).long())], ANSWERS


HARDENED = {
    "labels": lambda d: by_labels(d.kept),
    "class-balanced labels": balanced,
    "answers": softened(1),
    "thresholded answers": lambda d: (
        encode(d.fresh.inputs), [hard_labels(d.fresh_answers.argmax(1))], ANSWERS
    ),
    "labels drawn from answers": drawn,
}  # fmt: skip


@cache
def hardened(seeds):
    """Average precision, recall at the budget and the total of the same students."""
    seen = []

    def score(student, d):
        z = student(encode(d.test.inputs)).detach()
        recall = metrics.recall_at_budget(z, d.test.probability)
        seen.append({"recall": recall, "total": metrics.predicted_total(z, d.test.probability)})
        return metrics.average_precision(z, d.test.probability)

    result = students(HARDENED, baseline="answers", seeds=seeds, score=score)
    return result, {
        what: {arm: [row[what] for row in seen[i :: len(HARDENED)]] for i, arm in enumerate(HARDENED)}
        for what in ("recall", "total")
    }


def hard_or_soft(what, seeds):
    result, scores = hardened(seeds)
    about = {"planned": seeds, "training": TRAINING, "seed_list": [*range(seeds)]}
    if what == "recall":
        return Result("answers", scores[what], metric="recall at 0.5 % of alerts, %", margin=1, **about)
    if what == "total":
        return Result("answers", scores[what], metric="predicted over true frauds", margin=0.1, **about)
    return result


# ---- one tree


def tree_scores(leaves, d):
    """Average precision of trees of so many leaves, by what they were grown on."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    made = data.as_payments(MAKERS["MUNGE"](d.kept.inputs, EXTRA, seed=d.seed))
    asked_rows = {
        "answers": (d.kept.inputs, d.kept_answers),
        "answers and MUNGE": (
            torch.cat([d.kept.inputs, made]), torch.cat([d.kept_answers, metrics.predict(d.teacher, made)])
        ),
        "answers and fresh rows": (
            torch.cat([d.kept.inputs, d.fresh.inputs]), torch.cat([d.kept_answers, d.fresh_answers])
        ),
        "answers, all rows": (d.rows.inputs, d.rows_answers),
    }  # fmt: skip
    grown = {"max_leaf_nodes": leaves, "random_state": 0}
    trees = {}
    for name, part in {"labels": d.kept, "labels, all rows": d.rows}.items():
        least = 5 if len(part.labels) == STUDENTS else 10
        tree = DecisionTreeClassifier(min_samples_leaf=least, **grown)
        trees[name] = tree.fit(part.inputs.numpy(), part.labels.numpy())
    for name, (rows, answers) in asked_rows.items():
        least = 5 if len(rows) == STUDENTS else 10
        tree = DecisionTreeRegressor(min_samples_leaf=least, **grown)
        trees[name] = tree.fit(rows.numpy(), logit(answers).sigmoid()[:, 0].numpy())
    scores = {}
    for name, tree in trees.items():
        rows = d.test.inputs.numpy()
        found = tree.predict_proba(rows)[:, 1] if name.startswith("labels") else tree.predict(rows)
        scores[name] = metrics.average_precision(torch.as_tensor(found), d.test.probability)
    return scores


def trees(leaves, seeds):
    rows = [tree_scores(leaves, asked(seed)) for seed in range(seeds)]
    scores = {arm: [row[arm] for row in rows] for arm in rows[0]}
    about = {"planned": seeds, "training": {"leaves": leaves}, "seed_list": [*range(seeds)]}
    return Result("labels", scores, **about, **AVERAGE_PRECISION)


# ---- what is new


@cache
def changed(seeds, **world):
    """Students of payments as they have become: few labels that came late, and a teacher from before."""
    seen, late = [], STUDENTS
    place = len(data.HONEST) + len(data.FRAUD)

    def now(seed):
        d = asked(seed)
        new, test = (
            data.payments(TEACHERS, 10 * seed + 3, **world),
            data.payments(TEST, 10 * seed + 4, **world),
        )
        labels = new.take(slice(late))
        both = data.Part(*(torch.cat([a, b[:late]]) for a, b in zip(d.rows, new)))
        retrained = ensemble(both, seed) if "new_pattern" in world else d.teacher
        stale, updated = (logit(metrics.predict(t, new.inputs)) for t in (d.teacher, retrained))
        late_logits = (labels.labels[:, None] - 0.5) * 20  # sure of what the labels say
        return SimpleNamespace(
            new=new, test=test, labels=labels, stale=stale, updated=updated, teacher=d.teacher,
            retrained=retrained, mixed=torch.cat([late_logits, stale[late:]]), fresh=d.fresh,
            old=d.fresh_answers,
        )  # fmt: skip

    def score(student, d):
        z = student(encode(d.test.inputs)).detach()
        seen.append(readings(z, d))
        return seen[-1]["precision"]

    def readings(z, d):
        top = z[:, 0].argsort(descending=True)[: TEST // 100]
        found = {"precision": metrics.average_precision(z, d.test.probability)}
        found["total"] = metrics.predicted_total(z, d.test.probability)
        kinds = {
            "new": d.test.kind == place,
            "old": (d.test.kind >= len(data.HONEST)) & (d.test.kind < place),
        }
        return found | {k: 100 * float(v[top].sum() / max(1, v.sum())) for k, v in kinds.items()}

    again = torch.cat([torch.arange(late).repeat(9), torch.arange(late, TEACHERS)])
    arms = {
        "answers": lambda d: by_answers(d.new.inputs, d.stale),
        "late labels": lambda d: by_labels(d.labels),
        "late labels among answers": lambda d: by_answers(d.new.inputs, d.mixed),
        "late labels nine times": lambda d: by_answers(d.new.inputs[again], d.mixed[again]),
        "answers of the teacher fitted again": lambda d: by_answers(d.new.inputs, d.updated),
        "answers to old rows": lambda d: by_answers(d.fresh.inputs, d.old),
    }
    teachers = {"teacher": [], "teacher fitted again": [], "best possible": []}
    if "new_pattern" not in world:  # nobody fits a teacher again where habits drift
        del arms["answers of the teacher fitted again"], teachers["teacher fitted again"]

    def noted(seed):
        d = now(seed)
        said = {"teacher": d.teacher, "teacher fitted again": d.retrained}
        for name in teachers.keys() & said.keys():
            teachers[name].append(readings(logit(metrics.predict(said[name], d.test.inputs)), d))
        teachers["best possible"].append(readings(d.test.probability.logit()[:, None], d))
        return d

    students(arms, data=noted, baseline="answers", seeds=seeds, score=score)
    rows = {arm: seen[i :: len(arms)] for i, arm in enumerate(arms)} | teachers
    return {what: {arm: [row[what] for row in found] for arm, found in rows.items()} for what in seen[0]}


def of_change(world, what, metric, margin, seeds):
    scores = changed(seeds, **world)[what]
    about = {"planned": seeds, "training": TRAINING, "seed_list": [*range(seeds)]}
    return Result("answers", scores, metric=metric, margin=margin, **about)


MULES, MOVED = {"new_pattern": True}, {"drift": 1.0}
STUDIES = {
    "first look": first_look,
    **{f"rows kept, {n}": partial(rows_kept, n) for n in ROWS_KEPT},
    **{f"equal knowledge, {n}": partial(equal_knowledge, n) for n in (STUDENTS, TEACHERS)},
    **{f"losses, {hidden} hidden": partial(losses, hidden) for hidden in HIDDEN},
    **{f"hard or soft, {what}": partial(hard_or_soft, what) for what in ("precision", "recall", "total")},
    **{f"trees, {leaves} leaves": partial(trees, leaves) for leaves in LEAVES},
    "new pattern, caught": partial(of_change, MULES, "new", "share of it in the top 1 %, %", 5),
    "new pattern, old ones": partial(of_change, MULES, "old", "share of them in the top 1 %, %", 5),
    "new pattern, precision": partial(of_change, MULES, "precision", "average precision, %", 1),
    "drift, precision": partial(of_change, MOVED, "precision", "average precision, %", 1),
    "drift, total": partial(of_change, MOVED, "total", "predicted over true frauds", 0.1),
    **{f"decay, {n} labels": partial(decay_of_labels, n) for n in ROWS_KEPT},
    "decay, answers": decay_of_answers,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("tables", STUDIES, seeds=8)
