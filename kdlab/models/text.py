"""Networks that say, at each place of a text, which character follows: a teacher's and a student's.

Both take characters (B, T) int64 to logits (B, T, num_classes), a row a place. ``continued`` reads on from a
memory instead of from the start, as :func:`kdlab.generation.generate` asks.
"""

import torch
import torch.nn.functional as F
from torch import nn

CHARACTERS = 50


class CharacterGRU(nn.Module):
    """An embedding, one GRU, dropout, a linear layer: (B, T) to (B, T, num_classes)."""

    def __init__(self, width=256, *, embedding=48, dropout=0.3, num_classes=CHARACTERS):
        super().__init__()
        self.embedding = nn.Embedding(num_classes, embedding)
        self.gru = nn.GRU(embedding, width, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, num_classes)

    def forward(self, tokens):
        return self.read(tokens)[0]

    def read(self, tokens, state=None):
        """Logits (B, T, num_classes), and the state (1, B, width) after the last character."""
        states, state = self.gru(self.embedding(tokens), state)
        return self.head(self.dropout(states)), state

    def continued(self, tokens, state=None):
        """Logits (B, num_classes) after the last of the characters (B, T) that follow on, and the state."""
        logits, state = self.read(tokens, state)
        return logits[:, -1], state

    def get_classifier(self):
        return self.head


class NeuralNgram(nn.Module):
    """The last ``context`` characters, embedded side by side, through one hidden layer.

    (B, T) to (B, T, num_classes); before the first character stand zeros. After Bengio et al. (2003), "A
    Neural Probabilistic Language Model".
    """

    def __init__(self, context=10, *, embedding=12, hidden=128, num_classes=CHARACTERS):
        super().__init__()
        self.context = context
        self.embedding = nn.Embedding(num_classes, embedding)
        self.hidden = nn.Linear(context * embedding, hidden)
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, tokens):
        return self._read(F.pad(self.embedding(tokens), (0, 0, self.context - 1, 0)))

    def _read(self, rows):
        side_by_side = rows.unfold(1, self.context, 1).flatten(2)
        return self.head(self.hidden(side_by_side).relu())

    def continued(self, tokens, last=None):
        """As :meth:`CharacterGRU.continued`; what is kept are the embeddings of the last characters."""
        rows = self.embedding(tokens)
        if last is None:
            last = rows.new_zeros(len(rows), self.context - 1, rows.shape[2])
        rows = torch.cat([last, rows], dim=1)
        return self._read(rows[:, -self.context :])[:, -1], rows[:, 1 - self.context :]

    def get_classifier(self):
        return self.head


STUDENTS = {"character_gru": CharacterGRU, "neural_ngram": NeuralNgram}
