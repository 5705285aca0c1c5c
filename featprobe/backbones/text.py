"""Text towers: the other half of an image-text checkpoint whose vision tower gave features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from featprobe.backbones.checkpoints import quiet
from featprobe.backbones.hub_files import hub_reachable
from featprobe.backbones.load import LIBRARIES, load_backbone, resolve
from featprobe.backbones.source import Source, account
from featprobe.core.errors import InputError, MissingPath, reason
from featprobe.core.fingerprint import array_digest, digest

BATCH = 64


@dataclass(frozen=True)
class Speech:
    """How the texts of one ``model_type`` of transformers are encoded.

    ``model``: the class that has both towers. ``vision``: attributes that texts do not need.
    ``whole``: texts are lower-cased and filled up to the full length at the right, and the filling
    is attended to, as SigLIP was trained (google-research/big_vision).
    """

    model: str
    vision: tuple[str, ...] = ("vision_model",)
    whole: bool = False

    def embed(self, model: Any, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids (B, T) and their mask to embeddings (B, D) in the shared space."""
        if self.whole:
            return model.get_text_features(input_ids=ids).pooler_output
        return model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output


class Blip(Speech):
    """BLIP projects the first token, as ``BlipForImageTextRetrieval(use_itm_head=False)`` does."""

    def embed(self, model: Any, ids: Tensor, mask: Tensor) -> Tensor:
        states = model.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return model.text_proj(states[:, 0])


SPEECH = {
    "clip": Speech("CLIPModel", ("vision_model", "visual_projection")),
    "siglip": Speech("SiglipModel", whole=True),
    "siglip2": Speech("Siglip2Model", whole=True),
    "blip": Blip("BlipForImageTextRetrieval", ("vision_model", "vision_proj")),
}
# BLIP's published weights leave its temperature out; training starts from this one (Li et al. 2022)
BLIP_TEMPERATURE = 0.07


@dataclass
class TextTower:
    """A frozen text encoder and what its checkpoint learned about cosines.

    ``scale`` multiplies the cosine of an image and a text (the inverse temperature); ``bias`` is
    added to it by models trained with a sigmoid loss (SigLIP), None for the others. ``longest``:
    tokens of a text that are read, with the special ones; ``weights``: sha256 of the tower's
    parameters, by which Results tell text towers apart; ``vocabulary``: how many tokens the
    model knows; ``width``: D of the shared space.
    """

    name: str
    speech: Speech = field(repr=False)
    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    scale: float
    bias: float | None
    weights: str
    longest: int
    vocabulary: int
    width: int
    notes: tuple[str, ...] = ()

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings (T, D) float32 of unit length; what is longer than ``longest`` is cut off.

        Equal texts get equal rows, bit for bit: each is encoded once.
        """
        known = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        distinct = list(known)
        device = next(self.model.parameters()).device
        parts = []
        for start in range(0, len(distinct), BATCH):
            tokens = self._tokens(
                distinct[start : start + BATCH], truncation=True, max_length=self.longest,
                padding="max_length" if self.speech.whole else True, padding_side="right",
                return_tensors="pt",
            ).to(device)  # fmt: skip
            if int(tokens["input_ids"].max()) >= self.vocabulary:
                raise InputError(f"{self.name}: its tokenizer is of another model: unknown tokens")
            rows = self.speech.embed(self.model, tokens["input_ids"], tokens["attention_mask"])
            parts.append(F.normalize(rows.float(), dim=-1).cpu().numpy())
        return np.concatenate(parts)[[known[text] for text in texts]]

    def too_long(self, texts: Sequence[str]) -> int:
        """How many texts are cut off at ``longest`` tokens."""
        distinct = list(dict.fromkeys(texts))
        with quiet():  # its own remark on each text that is too long
            ids = self._tokens(distinct)["input_ids"]
        lengths = {text: len(i) for text, i in zip(distinct, ids)}
        return sum(lengths[text] > self.longest for text in texts)

    def _tokens(self, texts: Sequence[str], **how: Any) -> Any:
        spoken = [t.lower() for t in texts] if self.speech.whole else list(texts)
        return self.tokenizer(spoken, return_attention_mask=True, **how)


def text_tower(origin: Mapping[str, Any], weights: str, checkpoint: str | None = None) -> TextTower:
    """The text tower that was trained with the vision tower of some features.

    ``origin``: the backbone's part of a store's provenance; ``weights``: sha256 of the vision
    tower, from the store's key. The checkpoint is the one that ``origin`` names, or
    ``checkpoint``, a name or folder as in :func:`~featprobe.backbones.load.load_backbone`. Its
    vision tower is loaded and hashed too: only a text tower beside the very same weights is
    returned. It runs on a GPU where there is one, in float32.

    Raises :class:`InputError` that says why there is none: random weights, a checkpoint of the
    vision tower alone, other weights, no tokenizer, a family without texts.
    """
    if origin.get("init"):
        raise InputError(
            "random weights: the vision tower was drawn by itself, so no text tower belongs to it"
        )
    name = checkpoint or origin.get("name")
    if name is None:
        raise InputError(
            "the features do not say which checkpoint they come from; give it with --checkpoint"
        )
    if origin.get("weights") and not checkpoint:
        raise InputError(
            f"the vision tower comes from {', '.join(origin['weights'])}, which has no text tower; "
            "give a folder saved by transformers that has both with --checkpoint"
        )
    source = _source(str(name), None if checkpoint else origin.get("revision"))
    config = _config(source)
    if _hashed(source) != weights:
        raise InputError(
            f"{name}: its vision tower has other weights than the one that made the features; give "
            "the checkpoint that they come from with --checkpoint"
        )
    return _loaded(source, config)


def _source(name: str, revision: str | None) -> Source:
    try:
        source = resolve(name)
    except MissingPath as error:
        raise MissingPath(
            f"{error}; the features were made from there: run in the same folder, or give the "
            "checkpoint's place with --checkpoint"
        ) from error
    if source.place.partition(":")[0] in LIBRARIES:
        raise InputError(f"{name}: text towers are read through transformers only, so far")
    if not source.place or source.weights:
        raise InputError(f"{name}: a file of the vision tower alone, it has no text tower")
    return replace(source, revision=revision or source.revision)


def _offline(source: Source) -> bool:
    return source.folder is not None or not hub_reachable()


def _config(source: Source) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(
            source.place, revision=source.revision, local_files_only=_offline(source)
        )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{source.place}: cannot be loaded: {reason(error)}") from error
    kind = config.model_type
    plain = kind == "blip" and "BlipForImageTextRetrieval" not in (config.architectures or [])
    if kind not in SPEECH or plain:
        raise InputError(
            f"{source.text}: the checkpoint ({(config.architectures or [kind])[0]}) has no text "
            f"tower in a space shared with images; those of {', '.join(SPEECH)} have (BLIP's for "
            "image-text retrieval)"
        )
    return config


def _hashed(source: Source) -> str:
    """sha256 of the vision tower as extraction sees it."""
    return load_backbone(source.text, revision=source.revision).weights_sha256


def _loaded(source: Source, config: Any) -> TextTower:
    import transformers

    speech = SPEECH[config.model_type]
    local = {"revision": source.revision, "local_files_only": _offline(source)}
    with quiet():
        try:
            model, info = getattr(transformers, speech.model).from_pretrained(
                source.place, dtype=torch.float32, output_loading_info=True, **local
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{source.place}: cannot be loaded: {reason(error)}") from error
        account(f"{source.place}, its text tower", info["missing_keys"], (), ())
        for part in speech.vision:  # half of the memory
            delattr(model, part)
        tokenizer = _tokenizer(source, local)
    text = config.text_config
    blip = config.model_type == "blip"
    bias = getattr(model, "logit_bias", None)
    model.eval().requires_grad_(False)
    held = {name: array_digest(value.numpy()) for name, value in model.state_dict().items()}
    return TextTower(
        source.label, speech, model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer,
        scale=1 / BLIP_TEMPERATURE if blip else float(model.logit_scale.exp()),
        bias=None if bias is None else float(bias),
        weights=digest(held),
        longest=text.max_position_embeddings, vocabulary=text.vocab_size,
        width=_width(config),
        notes=(f"BLIP's weights lack its temperature: {BLIP_TEMPERATURE} is used",) if blip else (),
    )  # fmt: skip


def _width(config: Any) -> int:
    if config.model_type == "clip":
        return config.projection_dim
    if config.model_type == "blip":
        return config.image_text_hidden_size
    return config.text_config.projection_size


def _tokenizer(source: Source, local: Mapping[str, Any]) -> Any:
    from transformers import AutoTokenizer

    try:
        made = AutoTokenizer.from_pretrained(source.place, **local)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InputError(
            f"{source.place}: its tokenizer cannot be loaded: {reason(error)}"
        ) from error
    # transformers makes one that knows no word where the checkpoint has none
    if len(made) <= len(made.all_special_ids) or made.pad_token_id is None:
        raise InputError(
            f"{source.place}: no tokenizer beside the weights; save the model's own into the folder"
        )
    return made
