"""Small image-text models of transformers, with a tokenizer that knows a few words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, PreTrainedTokenizerFast

from tests.backbones.test_families import VIT, saved, stirred

LENGTH = 12  # tokens that the towers read
TEXT = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "vocab_size": 60, "max_position_embeddings": LENGTH, "bos_token_id": 0, "eos_token_id": 1,
    "pad_token_id": 2, "sep_token_id": 1,
}  # fmt: skip
SENTENCES = ["a medical image of a normal sick chest", "no sign of effusion, edema or mass here"]
CLASSES = {
    "clip": "CLIPModel", "siglip": "SiglipModel", "siglip2": "Siglip2Model",
    "blip": "BlipForImageTextRetrieval",
}  # fmt: skip


def tokenizer(lower: bool = True) -> PreTrainedTokenizerFast:
    """Words to numbers, between <s> and </s>, filled up with <pad>."""
    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    if lower:
        words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<s>", "</s>", "<pad>", "<unk>"]
    words.train_from_iterator(SENTENCES, trainers.WordLevelTrainer(special_tokens=special))
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        unk_token="<unk>",
    )  # fmt: skip


def image_text(folder: Path, kind: str, seed: int = 0, **text: Any) -> torch.nn.Module:
    """A model with both towers, saved in a folder as its authors would; 32-pixel inputs."""
    vision = {**VIT, "num_patches": 16} if kind == "siglip2" else VIT
    if kind == "clip":
        more = {"projection_dim": 16}
        vision = VIT | more
    else:
        more = {"image_text_hidden_size": 12} if kind == "blip" else {}
    words = TEXT | text
    if kind == "blip":
        words["encoder_hidden_size"] = 32
    config = AutoConfig.for_model(kind, vision_config=vision, text_config=words, **more)
    torch.manual_seed(seed)
    model = stirred(getattr(transformers, CLASSES[kind])(config))
    if seed:
        for value in model.parameters():
            value.data.add_(0.1 * torch.randn_like(value))
    saved(folder, model, 32)
    tokenizer(lower=not kind.startswith("siglip")).save_pretrained(folder)
    return model
