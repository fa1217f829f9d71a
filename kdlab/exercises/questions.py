"""Exit questions: three a lesson, each option explained."""

from dataclasses import dataclass

from kdlab.exercises.core import NOT_YET, RIGHT, WRONG, Diagnosis


@dataclass(frozen=True)
class Question:
    """The letter of the right option, and for every option why it is right or wrong."""

    id: str
    right: str
    why: dict

    def diagnose(self, choice):
        """Explain the chosen letter."""
        if choice is None or choice is ... or choice == "":
            return Diagnosis(NOT_YET, "", f"{self.id} not yet answered: put a letter in place of the dots.")
        letter = str(choice).strip().lower()
        if letter not in self.why:
            return Diagnosis(NOT_YET, "", f"{self.id}: {choice!r} is not one of {', '.join(self.why)}.")
        status = RIGHT if letter == self.right else WRONG
        return Diagnosis(
            status, "" if status == RIGHT else f"option {letter}", f"{self.id} {status}. {self.why[letter]}"
        )


_ALL = [
    Question("0.q1", "c", {
        "a": "A larger test set narrows one source of luck. The images and weights of the two runs still differ.",
        "b": "A larger difference is likelier to be real, but its size alone cannot say: one pair has no spread.",
        "c": "One pair cannot separate the method from luck with the seed. Several pairs can.",
    }),
    Question("0.q2", "a", {
        "a": "The same small network without a teacher is just as fast: smallness buys the speed.",
        "b": "Distillation changes weights, not the number of operations. Half of the speed cannot come from it.",
        "c": "It feels so, because teacher and student are compared. Compare the student with itself, untaught.",
    }),
    Question("0.q3", "b", {
        "a": "The mean is above 0, but so it would be in half of all studies of a method that does nothing.",
        "b": "The interval holds 0 and reaches beyond the margin, so these pairs cannot tell. More would narrow it.",
        "c": "Same would need the whole interval within 1 point of 0. This one also holds +2.",
    }),
    Question("1.q1", "b", {
        "a": "More seeds would narrow the interval around a comparison of two things at once.",
        "b": "Without the teacher's classes on the same images, more images and softness cannot be told apart.",
        "c": "Smoothing tells softness from knowledge on the same images; here the images themselves differ.",
    }),
    Question("1.q2", "c", {
        "a": "They are not equal in value: KL is 0 where both agree, cross-entropy is the teacher's entropy there.",
        "b": "Adam does hide a constant factor. But the two differ by a constant that is added.",
        "c": "They differ by the teacher's entropy, which no weight of the student can change.",
    }),
    Question("1.q3", "a", {
        "a": "The soft label is the hard one but for a thousandth. A temperature brings the rest to light.",
        "b": "A sure teacher is not a bad one: divided by a temperature, its logits still rank the wrong classes.",
        "c": "At temperature 1 there is next to nothing in the wrong classes to see.",
    }),
    Question("2.q1", "b", {
        "a": "Half the temperature sharpens what the doubled logits have sharpened already.",
        "b": "Only z / T counts: twice the logits and twice the temperature give the same soft label.",
        "c": "That holds for adding a constant to all logits. Doubling changes their differences.",
    }),
    Question("2.q2", "c", {
        "a": "At T = 10 the soft term has a hundredth of its gradient; the two losses are far apart.",
        "b": "Adam hides the scale of a loss as a whole. Here the balance of two terms changes.",
        "c": "Without T squared the soft gradient is a hundredth at T = 10, beside a hard one that stays.",
    }),
    Question("2.q3", "a", {
        "a": "The order of the classes is that of the logits, so accuracy is the same; the probabilities are too flat.",
        "b": "Accuracy depends on the largest logit only, and dividing by 4 keeps it the largest.",
        "c": "A temperature fitted for calibration is chosen on validation labels. This one was chosen for teaching.",
    }),
    Question("3.q1", "c", {
        "a": "Adam scales each weight's step, but a projector that no optimiser holds takes none at all.",
        "b": "The loss may fall all the same: the student alone bends towards a random projection of the teacher.",
        "c": "A fixed random projection of the student is matched: the student must fit it, with nobody to help.",
    }),
    Question("3.q2", "b", {
        "a": "Accuracy counts classes. What labels never mentioned need not show in it.",
        "b": "Linear maps of the frozen features show what can be read off them, asked for or not.",
        "c": "A small loss says that the features agree; it does not say about what.",
    }),
    Question("3.q3", "a", {
        "a": "If a random teacher's features do as much, then it was not what the teacher had learned.",
        "b": "More seeds narrow the interval of the same comparison; they add no new arm.",
        "c": "A larger teacher changes what is taught, and says nothing about whether learning matters.",
    }),
    Question("4.q1", "a", {
        "a": "Both sides become matrices of batch by batch, whatever the width.",
        "b": "Nothing is shortened: all 2048 dimensions enter into each distance.",
        "c": "Nothing is padded: the two widths never meet.",
    }),
    Question("4.q2", "b", {
        "a": "Turning keeps all angles, as it keeps distances and inner products.",
        "b": "Distances, angles and inner products are the same after turning.",
        "c": "That holds for stretching one direction, which changes the shape of the cloud.",
    }),
    Question("4.q3", "c", {
        "a": "They narrow the interval, but it stays an interval of the same difference.",
        "b": "That tells whether the relations must be those of the same images.",
        "c": "A random network of the same kind also has relations. The difference to it is what was learned.",
    }),
    Question("5.q1", "c", {
        "a": "Three points is what both bring together. The interaction takes the sum of the gains apart from it.",
        "b": "That would be six points together: gains that add up.",
        "c": "Three together, six by addition: the interaction is three minus six.",
    }),
    Question("5.q2", "a", {
        "a": "Losses differ in scale, reduction and data, so a weight alone says nothing. A share of the gradient does.",
        "b": "It was tuned for the authors' reduction, network and data. With another mean or sum it means another thing.",
        "c": "A weight of 1 is as arbitrary: one loss may pull a thousand times as hard as another.",
    }),
    Question("5.q3", "b", {
        "a": "The interval covers the luck of the seeds, not the luck of choosing among twenty.",
        "b": "The best of twenty is higher than the one of one, even where all are equal. Tune both alike, then compare.",
        "c": "The size of a gain does not say whether choosing produced it. Unequal tuning can produce more than half a point.",
    }),
    Question("6.q1", "b", {
        "a": "Its own accuracy says how well it reads, not how much its answers tell. The lesson has counter-examples.",
        "b": "The student is what you deploy, and validation images had no part in its training or in the final score.",
        "c": "The best of several test scores is partly luck, and afterwards there is nothing left to test on.",
    }),
    Question("6.q2", "c", {
        "a": "It knew them in training, perhaps, but its answers no longer say so: the labels asked for one value for all.",
        "b": "A temperature divides differences. Where there are none, it has nothing to bring to light.",
        "c": "Every wrong class has the same logit, whatever the image. Only how sure it is could still differ.",
    }),
    Question("6.q3", "a", {
        "a": "If it reads every digit, it still disagrees with the two labels in five that are wrong.",
        "b": "A student that had learned the noise by heart knows nothing of the noise on new images.",
        "c": "More wrong training labels would not change the wrong labels of the test set.",
    }),
    Question("7.q1", "b", {
        "a": "The two students have the same operations: what the weights are changes no clock.",
        "b": "Same architecture, same operations, same time. The teacher's share can only lie in the accuracy.",
        "c": "Bytes follow from the number of weights and their precision, and both are equal here.",
    }),
    Question("7.q2", "c", {
        "a": "Zeros take as many bytes as other numbers, and an ordinary routine multiplies them like others.",
        "b": "MACs are counted from shapes, and those have not changed.",
        "c": "Without a routine that skips zeros, nothing but a compressed file profits from them.",
    }),
    Question("7.q3", "a", {
        "a": "The ranges are part of the network. Ranges fitted to the test images make its score look better than it is.",
        "b": "It fits the ranges better, but to the images that were to judge them.",
        "c": "Calibration needs no labels, and that is no licence: the inputs alone already leak.",
    }),
    Question("8.q1", "b", {
        "a": "A key of the image alone gives the same answer to every crop, also to those that show something else.",
        "b": "The answer belongs to pixels. With seed, image and view the student's pixels can be made again.",
        "c": "Labels belong to the photo. The teacher's answer depends on what the crop shows.",
    }),
    Question("8.q2", "a", {
        "a": "Where the number agrees and there are no names, nothing else can tell. Near chance means: look at the order.",
        "b": "A probe would replace a classifier that may well be right. Test it first.",
        "c": "Equal numbers say nothing about the order of the classes.",
    }),
    Question("8.q3", "c", {
        "a": "The student had a teacher and twice the steps. Both may be the reason.",
        "b": "More seeds narrow the interval of the same unequal comparison.",
        "c": "Same steps, same views, same initial weights: then what is left is the teacher's.",
    }),
    Question("9.q1", "b", {
        "a": "Softer answers of a teacher that ranks worse still rank worse.",
        "b": "A small student on the same labels is the cheapest teacher to beat. Without it nobody sees that the large one loses.",
        "c": "More trees are a guess. First find out whether there is anything to be taught.",
    }),
    Question("9.q2", "c", {
        "a": "T squared is there already, and Adam would hide its absence where there is no other term.",
        "b": "The student has one logit, as it has at T = 1; the temperature does not change its size.",
        "c": "Divided by 4, a logit of -9 and one of -6 ask for different probabilities that matter. A small net spends itself on them.",
    }),
    Question("9.q3", "a", {
        "a": "The decision takes 70 microseconds: what comes before the net counts, and is most of it.",
        "b": "That compares the two models. A payment has to be encoded before the net can answer.",
        "c": "In bulk both are faster a row, but a payment that waits for others is not decided in real time.",
    }),
    Question("10.q1", "b", {
        "a": "Text in the likeliest words, over and over, is found most likely. Ask how well it predicts text that people wrote.",
        "b": "A judge sees one character after the other. Look at variety and at held-out text as well, and read.",
        "c": "Longer training may do either. First find out whether anything is wrong.",
    }),
    Question("10.q2", "c", {
        "a": "All else is not equal: towards its ends the formula goes to 0, and at them it jumps.",
        "b": "Only for a student that can say all that its teacher says. A small one has other optima.",
        "c": "At 0.1 and 0.9 its gradient is several times smaller than at 0 and 1, so that the cross-entropy outweighs it. Divide that out. (Alone, Adam would do so.)",
    }),
    Question("10.q3", "a", {
        "a": "A step on its own text costs several ordinary ones. With as many of these the order may turn round.",
        "b": "Worth knowing, but whatever it was, its steps cost more.",
        "c": "It is the same for both.",
    }),
    Question("11.q1", "c", {
        "a": "More of the same has the same shares at each place. The likeliest words still come from different ways to say it.",
        "b": "The ideal parallel student, which no training can beat, says blends as well.",
        "c": "One style leaves one likeliest sentence. A teacher's greedy text is one way to get it, and needs no other merit.",
    }),
    Question("11.q2", "a", {
        "a": "What differs from answer to answer averages out. What is the same in all of them is the lesson.",
        "b": "It would, if it learned each answer by heart. It learns what many answers have in common.",
        "c": "Many answers help against chance only. The one slip is in every one of them.",
    }),
    Question("11.q3", "b", {
        "a": "How many are kept says how strict a filter is, not what it lets through.",
        "b": "The one in ten may be every midnight there is. What passes must be counted by kind.",
        "c": "A mean hides what is rare, which is where a filter fails.",
    }),
    Question("12.q1", "b", {
        "a": "Ten times as many were tried, with and without more steps. Nothing moved.",
        "b": "From digits to answer is one leap that this student cannot make. A written sum turns it into leaps of one addition each.",
        "c": "The filler arm writes as many tokens and stays where answers are: length alone is not it.",
    }),
    Question("12.q2", "a", {
        "a": "Right by luck is easy with two answers, and such luck passes the filter with all its wrong steps.",
        "b": "It would be with many possible answers: then luck is rare. With two it is not.",
        "c": "The filter compares one token. It cannot see steps, whoever wrote them.",
    }),
    Question("12.q3", "c", {
        "a": "Student and teacher have the same size, and a random choice of as many traces did not do it.",
        "b": "A vote of the teacher with itself uses several samples as well, and did not do it.",
        "c": "Which traces to keep was decided by answers that the teacher does not know. They are the new information.",
    }),
    Question("13.q1", "b", {
        "a": "Nothing is wrong with the code: clicks are not taste. What was never shown cannot be clicked.",
        "b": "Clicks happen on what was shown, and popular items are shown more. True taste earns nothing where nobody looked.",
        "c": "A larger test would have more of the same clicks. The bias stays, only the interval shrinks.",
    }),
    Question("13.q2", "c", {
        "a": "It would be, if the order stayed. It need not: drawing forgives low ranks, and full ranking does not.",
        "b": "Repeating gives the order among few once more. Only ranking among more items changes it.",
        "c": "Of two recommenders one may be better at the very top and the other further down. Few negatives see only the latter.",
    }),
    Question("13.q3", "a", {
        "a": "What the teacher knows and the student's own clicks do not say is what a list can add.",
        "b": "The teacher's accuracy on the same clicks is no new knowledge. A wider student would use those clicks better.",
        "c": "The form of the loss moves less than what the teacher knows: compare the differences.",
    }),
    Question("14.q1", "b", {
        "a": "All is found, but precision falls: every second box, right after its first, is on an object that is taken.",
        "b": "The first box on an object is right, the second is wrong. That is why doubles are taken out before anything is counted.",
        "c": "They are counted, as wrong. The first box on each object stays right.",
    }),
    Question("14.q2", "b", {
        "a": "That changes two things at once: unlabelled scenes in each batch also leave fewer labelled ones in it.",
        "b": "With the same batches and nothing asked of the unlabelled part, what is left is the answers' share.",
        "c": "More steps say what more steps do. Both arms would still differ in how many labelled scenes a step sees.",
    }),
    Question("14.q3", "c", {
        "a": "Classes say what is there, and by how sure they are which box comes first. They move AP50.",
        "b": "Weights say where to look. How well a box fits, its edges decide.",
        "c": "Where an edge is, and how sure that is, stands in its distribution. AP75 asks for boxes that fit.",
    }),
    Question("15.q1", "c", {
        "a": "A vote answers which settings are more often tried. The claim was made in general, and fails in one.",
        "b": "It does hold in nine: somebody in such a setting would be told something wrong.",
        "c": "One counterexample shows that there is an if, unless it is chance: see that its interval is well clear of 0. Then compare its setting with the nearest of the nine.",
    }),
    Question("15.q2", "a", {
        "a": "The student alone may reach nearly as much. Then teaching closed little of the gap, and smallness did the rest.",
        "b": "Worth knowing, but smallness is the same with a teacher and without. What did the teacher add?",
        "c": "A setting may explain a gain; first see whether there is one.",
    }),
    Question("15.q3", "b", {
        "a": "The effect is one of size: as many small models as you like have nothing of it.",
        "b": "This is open for want of pairs: elsewhere the same question has a word. Plan about twice as many as would do, fixed beforehand.",
        "c": "No pair brings a meter. Time multiplied by a stated power is the time again.",
    }),
]  # fmt: skip

QUESTIONS = {question.id: question for question in _ALL}
