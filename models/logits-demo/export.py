"""The export room: writes the same weights as a Hugging Face folder and as a GGUF file."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from model import Llama, Shape
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizer import CHAT_TEMPLATE, END, PAD, SPECIAL
from tokenizers import Tokenizer

NAME = "logits-demo"
# Low enough that the likeliest answer nearly always wins, high enough not to be plain greedy.
TEMPERATURE = 0.3

GGUF_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def shared_weights(model: Llama) -> dict[str, torch.Tensor]:
    """Return all weights rounded to bfloat16, so that both formats hold the same numbers."""
    return {name: weight.detach().to(torch.bfloat16) for name, weight in model.state_dict().items()}


def write_hugging_face(model: Llama, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the folder that vLLM and transformers load."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {f"model.{name}": weight for name, weight in shared_weights(model).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes files that only their owner reads
    tokenizer.save(str(folder / "tokenizer.json"))
    end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
    _write_json(folder / "config.json", _config(model.shape, end=end, pad=pad))
    _write_json(
        folder / "generation_config.json",
        {"do_sample": True, "temperature": TEMPERATURE, "eos_token_id": [end, pad], "pad_token_id": pad},
    )
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": model.shape.context,
            "bos_token": None,
            "eos_token": END,
            "pad_token": PAD,
            "additional_special_tokens": list(SPECIAL[1:]),
            "clean_up_tokenization_spaces": False,
            "chat_template": CHAT_TEMPLATE,
        },
    )


def _config(shape: Shape, *, end: int, pad: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.norm_epsilon,
        "rope_theta": shape.rope_base,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_base},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": pad,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_gguf(model: Llama, tokenizer: Tokenizer, path: Path) -> None:
    """Write the file that llama.cpp loads: metadata, tokenizer and float16 weights."""
    writer = gguf.GGUFWriter(str(path), "llama")
    _add_metadata(writer, model.shape)
    _add_tokenizer(writer, tokenizer)
    for name, weight in shared_weights(model).items():
        writer.add_tensor(*_tensor(name, weight.float().numpy(), model.shape.heads))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_metadata(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name(NAME)
    writer.add_description("Tiny demo model that answers questions about Logits")
    writer.add_sampling_temp(TEMPERATURE)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_vocab_size(shape.vocabulary)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    content = json.loads(tokenizer.to_str())
    vocabulary = sorted(tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
    tokens = [token for token, _ in vocabulary]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    kinds = [gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokenizer.token_to_id(END))
    writer.add_pad_token_id(tokenizer.token_to_id(PAD))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _tensor(name: str, weight: NDArray[np.float32], heads: int) -> tuple[str, NDArray[Any]]:
    if name == "embed_tokens.weight":
        return "token_embd.weight", weight.astype(np.float16)
    if name == "norm.weight":
        return "output_norm.weight", weight
    _, layer, part = name.removesuffix(".weight").split(".", 2)
    target = f"blk.{layer}.{GGUF_NAMES[part]}.weight"
    if weight.ndim == 1:
        return target, weight
    if part in ("self_attn.q_proj", "self_attn.k_proj"):
        weight = interleave(weight, heads)
    return target, weight.astype(np.float16)


def interleave(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder query or key rows from split halves to the neighbouring pairs llama.cpp turns."""
    rows, columns = weight.shape
    split = weight.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(rows, columns))
