"""Translators to be read: an encoder, and a decoder that says word after word, or all words at once."""

import torch
from torch import nn

from kdlab import rows
from kdlab.data.translation import ENGLISH, GERMAN, PAD
from kdlab.models.transformer import Block

SOURCES, TARGETS, LENGTHS = len(ENGLISH), len(GERMAN), (ENGLISH.length, GERMAN.length)
EXPAND = 2  # of the small network in each block
SPREAD = 0.5  # of the first embeddings of places


class Encoder(nn.Module):
    """Sources (B, S) int64 to what each place holds, (B, S, width), and whether it is a word, (B, S) bool."""

    def __init__(self, words, length, width, heads, layers):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(SPREAD * torch.randn(length, width))
        self.blocks = nn.ModuleList(Block(width, heads, expand=EXPAND) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, sources):
        if sources.shape[1] > len(self.places):
            raise ValueError(f"sources {tuple(sources.shape)} are longer than {len(self.places)} words")
        is_word, x = sources != PAD, self.words(sources) + self.places[: sources.shape[1]]
        for block in self.blocks:
            x = block(x, mask=is_word)
        return self.norm(x), is_word


class Decoder(nn.Module):
    """What stands at each place, (B, T, width), with an encoder's answer, to logits (B, T, num_classes)."""

    def __init__(self, num_classes, length, width, heads, layers, *, causal):
        super().__init__()
        self.places = nn.Parameter(SPREAD * torch.randn(length, width))
        how = {"expand": EXPAND, "causal": causal, "cross": True}
        self.blocks = nn.ModuleList(Block(width, heads, **how) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, num_classes)

    def forward(self, x, encoded, is_word, caches=None):
        for block, cache in zip(self.blocks, caches or [None] * len(self.blocks)):
            x = block(x, encoded, memory_mask=is_word, cache=cache)
        return self.head(self.norm(x))


class Translator(nn.Module):
    """Word after word: sources (B, S) and the words so far (B, T) to logits (B, T, num_classes) of the next.

    The words so far begin with BEGIN. To let it write, :meth:`of` some sources is a model for
    :func:`kdlab.generation.generate` and :func:`kdlab.generation.beam_search`. Vaswani et al. (2017),
    "Attention Is All You Need", with learned places.

    Parameters
    ----------
    width, heads, layers : int
        The layers are those of the encoder, and as many of the decoder.
    num_classes, words : int
        Of the target's vocabulary and of the source's; by default those of :mod:`kdlab.data.translation`.
    lengths : (int, int)
        The longest source and target.
    """

    def __init__(self, width=48, heads=4, layers=1, *, num_classes=TARGETS, words=SOURCES, lengths=LENGTHS):
        super().__init__()
        self.encoder = Encoder(words, lengths[0], width, heads, layers)
        self.so_far = nn.Embedding(num_classes, width)
        self.decoder = Decoder(num_classes, lengths[1], width, heads, layers, causal=True)

    def forward(self, sources, so_far):
        return self.decoder(self._at_places(so_far), *self.encoder(sources))

    def of(self, sources):
        """This translator of these sources alone: see :class:`Reading`."""
        return Reading(self, sources)

    def _at_places(self, words, before=0):
        after, most = before + words.shape[1], len(self.decoder.places)
        if after > most:
            raise ValueError(f"{after} words are more than the {most} that this translator can write")
        return self.so_far(words) + self.decoder.places[before:after]

    def get_classifier(self):
        return self.decoder.head


class Reading(nn.Module):
    """A translator with its sources (B, S) before it: words so far (B, T) to logits (B, T, num_classes)."""

    def __init__(self, translator, sources):
        super().__init__()
        self.translator, self.sources = translator, sources

    def forward(self, so_far):
        return self.translator(self.sources, so_far)

    def continued(self, so_far, memory=None):
        """The logits (B, num_classes) after the last word, and a memory; with it, new words only are given.

        The memory holds the sources as well, so that its rows may be put in another order.
        """
        decoder = self.translator.decoder
        if memory is None:
            memory = (*self.translator.encoder(self.sources), tuple({} for _ in decoder.blocks), 0)
        encoded, is_word, caches, before = memory
        caches = rows.each(lambda kept: kept, caches)
        x = self.translator._at_places(so_far, before)
        logits = decoder(x, encoded, is_word, caches)[:, -1]
        return logits, (encoded, is_word, caches, before + so_far.shape[1])


class ParallelTranslator(nn.Module):
    """All words at once: sources (B, S) to logits (B, T, num_classes). No place hears what another says.

    Gu et al. (2018), "Non-Autoregressive Neural Machine Translation", without its fertilities: the end of a
    sentence, and the padding after it, are words that it learns like others. Parameters as for
    :class:`Translator`.
    """

    def __init__(self, width=48, heads=4, layers=1, *, num_classes=TARGETS, words=SOURCES, lengths=LENGTHS):
        super().__init__()
        self.encoder = Encoder(words, lengths[0], width, heads, layers)
        self.decoder = Decoder(num_classes, lengths[1], width, heads, layers, causal=False)

    def forward(self, sources):
        places = self.decoder.places.expand(len(sources), -1, -1)
        return self.decoder(places, *self.encoder(sources))

    def get_classifier(self):
        return self.decoder.head


STUDENTS = {"translator": Translator, "parallel_translator": ParallelTranslator}
