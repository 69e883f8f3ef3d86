"""Chats as transformers' apply_chat_template puts them: writes ./chat.json.

    pip install transformers==5.24
    python chat.py
"""
import json, pathlib
import transformers

HERE = pathlib.Path(__file__).parent
CHATML = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
LLAMA2 = "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content | trim + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
BLOCKS = """{%- for message in messages %}
    {%- if message.role == 'system' -%}
        S:{{ message.content | upper }}
    {%- else %}
{{ loop.index }}. {{ message['content'] | tojson }}
    {%- endif %}
{%- endfor %}
{% if add_generation_prompt -%}
A:
{%- endif %}
"""
MESSAGES = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "  Where is \"caf\u00e9\" $& {{x}}?\n"}]
tokenizer = transformers.AutoTokenizer.from_pretrained(HERE.parent.parent / "embedded/gptj-mini")
config = json.loads((HERE.parent.parent / "embedded/gptj-mini/tokenizer_config.json").read_text())
made = []
for template in (CHATML, LLAMA2, BLOCKS):
    text = tokenizer.apply_chat_template(MESSAGES, chat_template=template, tokenize=False, add_generation_prompt=True)
    made.append({"template": template, "text": text})
(HERE / "chat.json").write_text(json.dumps({"config": config, "messages": MESSAGES, "made": made}, indent=1) + "\n")
