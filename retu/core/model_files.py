"""Names of the files of a model folder, as `save_pretrained` of transformers writes them."""

WEIGHTS_INDEX = "model.safetensors.index.json"
CHAT_TEMPLATE_FILE = "chat_template.jinja"
TOKENIZER_CONFIG = "tokenizer_config.json"
ADAPTER_CONFIG = "adapter_config.json"
"""Of an adapter (LoRA), which is no model."""
TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_FILES = (TOKENIZER_FILE, "tokenizer.model", "vocab.json")
"""One of these a tokenizer has."""
WANTED_FILES = (
    *(
        "config.json",
        "generation_config.json",
        "model*.safetensors",
        WEIGHTS_INDEX,
        CHAT_TEMPLATE_FILE,
    ),
    *("tokenizer*.json", "tokenizer.model", "vocab.json", "merges.txt"),
    *("special_tokens_map.json", "added_tokens.json"),
)
"""What a model needs; none of these patterns reaches into a folder of the repository."""
