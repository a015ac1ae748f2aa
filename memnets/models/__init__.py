"""Models: what users name. Memory networks, recurrent baselines, whole-sequence models, readers, captioners."""

from ..recurrent.torch_layers import GRU, LSTM, RNN
from .captioner import Caption, Captioner, CaptionerOutput
from .delta_net import DeltaNet, GatedDeltaNet
from .dnc import DNC
from .draw import DRAW
from .end_to_end import EndToEndMemory, SentenceState
from .fast_weights import FastWeights
from .image_bound import ImageBound
from .image_classifier import ImageClassifier
from .language_model import LanguageModel
from .linear_attention import LinearAttention
from .mann import MANN
from .memory_mosaic import MemoryMosaic
from .memory_network import MemoryNetwork
from .neural_programmer import NeuralProgrammer, Programs
from .neural_stack import NeuralStack
from .nondeterministic_stack import NondeterministicStackRNN
from .ntm import NTM
from .pondering import ACT, Repeat
from .recurrent_attention import GlimpseState, RecurrentAttention
from .sam import SAM
from .sdnc import SDNC
from .seq2seq import Seq2Seq, Seq2SeqOutput, Translation
from .stack_rnn import StackRNN
from .story_teller import Story, StoryOutput, StoryTeller
from .tape_rnn import TapeRNN
from .text_reader import ReaderOutput, TextReader
from .titans import Titans
from .transformer import Transformer
from .vae import VAE
from .video_network import VideoNetwork

__all__ = [
    "ACT",
    "DNC",
    "DRAW",
    "GRU",
    "LSTM",
    "MANN",
    "NTM",
    "RNN",
    "SAM",
    "SDNC",
    "VAE",
    "Caption",
    "Captioner",
    "CaptionerOutput",
    "DeltaNet",
    "EndToEndMemory",
    "FastWeights",
    "GatedDeltaNet",
    "GlimpseState",
    "ImageBound",
    "ImageClassifier",
    "LanguageModel",
    "LinearAttention",
    "MemoryMosaic",
    "MemoryNetwork",
    "NeuralProgrammer",
    "NeuralStack",
    "NondeterministicStackRNN",
    "Programs",
    "ReaderOutput",
    "RecurrentAttention",
    "Repeat",
    "SentenceState",
    "Seq2Seq",
    "Seq2SeqOutput",
    "StackRNN",
    "Story",
    "StoryOutput",
    "StoryTeller",
    "TapeRNN",
    "TextReader",
    "Titans",
    "Transformer",
    "Translation",
    "VideoNetwork",
]
