"""The paper's own table, to stand beneath ours: reported there, not measured here."""

SOURCE = (
    "DeepSeek-R1, arXiv:2501.12948: the comparison of distillation and RL (v1, Table 6), the "
    "distilled students (v2, Table 6) and reference models"
)

NOTE = (
    "Reported by the paper, NOT measured here: 32B and larger models, 32,768 tokens, temperature "
    "0.6, top-p 0.95, pass@1 as the mean over 8 to 64 completions. Percent; Codeforces is a rating."
)

HEADER = ["model", "AIME24 pass@1", "cons@64", "MATH-500", "GPQA-D", "LCB", "Codeforces"]

COMPARISON = [
    ["QwQ-32B-Preview", "50.0", "60.0", "90.6", "54.5", "41.9", "1316"],
    ["R1-Zero-Qwen-32B (RL)", "47.0", "60.0", "91.6", "55.0", "40.2", "–"],
    ["R1-Distill-Qwen-32B", "72.6", "83.3", "94.3", "62.1", "57.2", "1691"],
]

OTHERS = [
    ["R1-Distill-Qwen-1.5B", "28.9", "52.7", "83.9", "33.8", "16.9", "954"],
    ["R1-Distill-Qwen-7B", "55.5", "83.3", "92.8", "49.1", "37.6", "1189"],
    ["R1-Distill-Qwen-14B", "69.7", "80.0", "93.9", "59.1", "53.1", "1481"],
    ["R1-Distill-Llama-8B", "50.4", "80.0", "89.1", "49.0", "39.6", "1205"],
    ["R1-Distill-Llama-70B", "70.0", "86.7", "94.5", "65.2", "57.5", "1633"],
    ["R1-Zero", "71.0", "86.7", "95.9", "73.3", "50.0", "1444"],
    ["o1-mini", "63.6", "80.0", "90.0", "60.0", "53.8", "1820"],
    ["o1-0912", "74.4", "83.3", "94.8", "77.3", "63.4", "1843"],
    ["GPT-4o-0513", "9.3", "13.4", "74.6", "49.9", "32.9", "759"],
    ["Claude-3.5-Sonnet-1022", "16.0", "26.7", "78.3", "65.0", "38.9", "717"],
]
