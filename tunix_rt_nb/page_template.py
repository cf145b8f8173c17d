"""What the page of a run looks like, for Jinja."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ run }}: before and after training</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2230; background: #fff;
 max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dae3; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem 1.2rem .3rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid #1c2230; }
tr + tr td { border-top: 1px solid #eceff4; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { display: block; width: 9rem; height: .5rem; margin: .15rem 0; background: #eceff4; }
.bar i { display: block; height: 100%; background: #2f6fde; }
.bar .before { background: #b0b7c3; }
article { margin: 1.5rem 0; padding: .1rem 1rem; border-left: 4px solid #d5dae3; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.first { background: #fde7e4; font-weight: bold; }
.later { color: #687085; }
.hash { font: .85em ui-monospace, monospace; overflow-wrap: anywhere; }
img { max-width: 100%; }
</style>
</head>
<body>
{% macro bar(share, when) %}
<span class="bar">
<i class="{{ when }}" style="width: {{ "%.1f" | format(100 * share) }}%"></i>
</span>
{% endmacro %}
{% macro counts(rows, head) %}
<table>
<tr><th>{{ head }}</th><th class="n">before</th><th class="n">after</th></tr>
{% for row in rows %}
<tr><td>{{ row.name }}</td>
<td class="n">{{ row.before }}</td><td class="n">{{ row.after }}</td></tr>
{% endfor %}
</table>
{% endmacro %}
<h1>{{ run }}</h1>
<p><b>{{ earlier.primary_score | percent }}</b> of the answers were right before training,
<b>{{ card.primary_score | percent }}</b> after it
(95 % interval {{ card.interval[0] | percent }} to {{ card.interval[1] | percent }}), of
{{ "{:,}".format(card.n_scored) }} items that were not trained on. A program checked each step:
{{ card.steps_right | percent }} of them are right.\
{% for why, n in card.skipped | dictsort %} {{ "{:,}".format(n) }} more were skipped, {{ why }}.\
{% endfor %}</p>
{% for line in warnings %}
<p>✗ <b>{{ line }}</b></p>
{% endfor %}

<h2>Before and after training</h2>
<table>
<tr>
{% for name in before_after[0] %}
<th{% if not loop.first %} class="n"{% endif %}>{{ name }}</th>
{% endfor %}
</tr>
{% for row in before_after %}
<tr>
{% for value in row.values() %}
<td{% if not loop.first %} class="n"{% endif %}>{{ value }}</td>
{% endfor %}
</tr>
{% endfor %}
</table>

<h2>Reliability by difficulty</h2>
<p>An answer can be right by chance; one whose every step is right is reliable. The upper bar is
before training, the lower one after it.</p>
{% for group in groups if group %}
<table>
<tr><th>{{ "difficulty" if loop.first else "section" }}</th><th class="n">items</th>
<th>right answers</th><th class="n">before</th><th class="n">after</th>
<th class="n">95 % interval</th><th class="n">steps right</th>
<th class="n">answer and all steps right</th></tr>
{% for row in group %}
<tr><td>{{ row.name }}</td><td class="n">{{ row.n }}</td>
<td>{{ bar(row.before or 0, "before") }}{{ bar(row.score, "after") }}</td>
<td class="n">{{ row.before | percent if row.before is not none else "" }}</td>
<td class="n">{{ row.score | percent }}</td>
<td class="n">{{ row.interval[0] | percent }} to {{ row.interval[1] | percent }}</td>
<td class="n">{{ row.steps_right | percent }}</td><td class="n">{{ row.sound | percent }}</td></tr>
{% endfor %}
</table>
{% endfor %}

<h2>What goes wrong</h2>
{{ counts(outcomes, "answer and steps") }}
{{ counts(manners, "form") }}
{% if places %}
<p>Where solutions go wrong first, after training:</p>
<table>
<tr><th>task</th><th class="n">step</th><th class="n">items</th><th>such as</th></tr>
{% for row in places %}
<tr><td>{{ row.task }}</td><td class="n">{{ row.step }}</td><td class="n">{{ row.n }}</td>
<td class="text">{{ row.reason }}</td></tr>
{% endfor %}
</table>
{% endif %}

<h2>The worst items</h2>
{% for item in worst %}
<article>
<p class="text"><b>{{ item.prompt }}</b></p>
<ol>
{% for step in item.steps %}
<li class="{{ step.mark }}"><span class="text">{{ step.text }}</span>\
{% if step.reason %} ✗ <span class="text">{{ step.reason }}</span>\
{% elif step.mark == "right" %} ✓{% endif %}{% if step.mark == "first" %} (the first wrong step)\
{% endif %}</li>
{% endfor %}
{% if item.more %}<li class="later">... and {{ item.more }} steps more</li>{% endif %}
{% if item.missing %}<li class="first">✗ (a step is missing here)</li>{% endif %}
</ol>
<p>{{ "✓" if item.right else "✗" }} Answer:
<b class="text">{{ item.answer if item.answer is not none else "none" }}</b>\
{% if not item.right %}, expected <b class="text">{{ item.expected }}</b>{% endif %}.
<i>{{ item.outcome }}; {{ item.task }}, {{ item.difficulty }},
<span class="hash">{{ item.id }}</span></i></p>
{% if item.response %}<details><summary>As it was written, not in the style</summary>
<p class="text">{{ item.response }}</p></details>{% endif %}
</article>
{% else %}
<p>None: every answer is right, and so is every step.</p>
{% endfor %}

{% if curves %}
<h2>Loss</h2>
<p><img src="{{ curves }}" alt="Training loss and held-out loss by step"></p>
{% endif %}
{% if judges %}
<h2>A judge's view</h2>
<p>What a language model thinks of it, by a rubric, from 0 to 100 %; 1 to 5 for each criterion.</p>
<table>
<tr><th>judge</th><th class="n">answers</th><th class="n">scored</th><th class="n">score</th>\
{% for name in judges[0].criteria %}<th class="n">{{ name }}</th>{% endfor %}</tr>
{% for row in judges %}
<tr><td>{{ row.judge }}</td><td class="n">{{ row.n }}</td><td class="n">{{ row.scored }}</td>
{% if row.scored %}
<td class="n">{{ row.score | percent }}</td>\
{% for value in row.criteria.values() %}<td class="n">{{ "%.2f" | format(value) }}</td>{% endfor %}
{% endif %}
</tr>
{% endfor %}
</table>
{% endif %}

<h2>Lineage</h2>
<p>Each step is known by the sha256 of all that it wrote, and names those of what it read.</p>
<table>
<tr><th>step</th><th>folder</th><th>what</th><th>sha256</th></tr>
{% for row in lineage %}
<tr><td>{{ row.step }}</td><td>{{ row.folder }}</td>
<td>{% for fact in row.facts %}{{ fact }}<br>{% endfor %}tunix_rt_nb {{ row.version }}</td>
<td class="hash">{{ row.sha256 }}</td></tr>
{% endfor %}
</table>
<p>Rendered in the template {{ form.template }} and the style {{ form.style }}\
{% if form.system %}, with the system message <q class="text">{{ form.system }}</q>{% endif %}.</p>
<details><summary>Every parameter</summary>
<table>
<tr><th>step</th><th>parameter</th><th>value</th></tr>
{% for step, name, value in parameters %}
<tr><td>{{ step }}</td><td>{{ name }}</td><td class="text">{{ value | string }}</td></tr>
{% endfor %}
</table>
</details>
</body>
</html>
"""
