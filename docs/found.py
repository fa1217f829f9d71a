"""How the site is found: a description, a preview card and structured data on each page, and a sitemap."""

import html
import json
from pathlib import Path

import launch

DESCRIPTION = (
    "A free knowledge distillation course in Jupyter notebooks that tests the field's claims: soft targets, "
    "temperature, features, teachers, tables, text, translation, reasoning, recommendation, detection. With "
    "checked exercises and a Python package."
)
CARD = "card.png"
GOALS = "After this lesson you can"
INDEXES = ("genindex.html", "py-modindex.html", "search.html")


def base(root=launch.ROOT):
    """The site's address, with a slash at its end."""
    owner, _, name = launch.where(root)[0].partition("/")
    return f"https://{owner.lower()}.github.io/{name}/"


def course(lessons):
    """The course as schema.org describes one, for search engines; ``lessons`` are (title, page)."""
    provider = {"@type": "Organization", "name": "kdlab", "url": base()}
    return {
        "@context": "https://schema.org",
        "@type": "Course",
        "name": "kdlab: a course on knowledge distillation",
        "description": DESCRIPTION,
        "url": base(),
        "provider": provider,
        "inLanguage": "en",
        "isAccessibleForFree": True,
        "educationalLevel": "advanced undergraduate, graduate, professional",
        "coursePrerequisites": "Python, and a first course in deep learning with PyTorch",
        "teaches": "knowledge distillation",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "offers": {"@type": "Offer", "category": "Free", "price": 0, "priceCurrency": "EUR"},
        "hasCourseInstance": {
            "@type": "CourseInstance",
            "courseMode": "Online",
            "courseWorkload": f"PT{2 * len(lessons)}H",
        },
        "hasPart": [
            {
                "@type": "LearningResource",
                "name": title,
                "url": base() + page,
                "learningResourceType": "notebook",
            }
            for title, page in lessons
        ],
    }


def about(page, title, text, lessons):
    """The tags in the head of one page; those that Sphinx makes by itself are not for search engines."""
    if page in INDEXES:
        return '<meta name="robots" content="noindex" />'
    address = base() + ("" if page == "index.html" else page)
    tags = {
        "description": text,
        "og:title": title,
        "og:description": text,
        "og:type": "website",
        "og:url": address,
        "og:image": base() + CARD,
        "og:image:alt": "The usual claims about distillation and what the course measured of them",
        "twitter:card": "summary_large_image",
    }
    written = [
        f'<meta {"property" if name.startswith("og:") else "name"}="{name}" content="{html.escape(value)}" />'
        for name, value in tags.items()
    ]
    written.append(f'<link rel="canonical" href="{address}" />')
    if page == "index.html":
        data = json.dumps(course(lessons), ensure_ascii=False).replace("</", "<\\/")
        written.append(f'<script type="application/ld+json">{data}</script>')
    return "\n".join(written)


def first_words(doctree, most=155):
    """A lesson's goals or what another page begins with, as far as a search engine shows it.

    Where there is neither it is the course's description.
    """
    from docutils import nodes

    texts = []
    for section in doctree.findall(nodes.section) if doctree else ():
        title, *rest = section.children
        if title.astext() == GOALS:
            items = (item.astext() for one in rest for item in one.findall(nodes.list_item))
            texts.insert(0, f"{GOALS} {' '.join(items)}")
        texts += [one.astext() for one in rest if isinstance(one, nodes.paragraph)]
    for text in (" ".join(text.split()) for text in texts):
        if len(text) > 60:
            return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " ..."
    return DESCRIPTION


def describe(app, page, template, context, doctree):
    """For Sphinx's ``html-page-context``."""
    front = page == app.config.root_doc
    title = html.unescape(context.get("title", "kdlab"))
    titles = app.env.titles
    lessons = [
        (titles[name].astext(), f"{name}.html") for name in sorted(titles) if name.startswith("notebooks/")
    ]
    text = DESCRIPTION if front else first_words(doctree)
    named = "kdlab: a course on knowledge distillation, tested" if front else f"{title} - kdlab"
    context["metatags"] = context.get("metatags", "") + about(f"{page}.html", named, text, lessons)


def sitemap(app, error):
    """For Sphinx's ``build-finished``: every page, and where the map lies."""
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = sorted(f"{name}.html" for name in app.env.found_docs if name != app.config.root_doc)
    pages += sorted(f"slides/{path.name}" for path in (out / "slides").glob("*.html"))
    rows = "\n".join(f"<url><loc>{base()}{page}</loc></url>" for page in ["", *pages])
    (out / "sitemap.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{rows}\n</urlset>\n",
        encoding="utf-8",
    )
    (out / "robots.txt").write_text(
        f"User-agent: *\nAllow: /\nSitemap: {base()}sitemap.xml\n", encoding="utf-8"
    )


def card(path):
    """Draw the preview card, 1200 x 630 points: the course in one look, with what each claim came to."""
    from collections import Counter

    from kdlab.checked import usual_claims
    from kdlab.checked.usual import ANSWERS
    from kdlab.plots import canvas

    claims = [one for one in usual_claims().values() if one.evidence]
    counts = Counter(one.answer for one in claims)
    colours = dict(zip(ANSWERS, [canvas.COLOURS[0], canvas.COLOURS[5], canvas.COLOURS[4], "#B34700", "0.6"]))
    figure = canvas.plt.figure(figsize=(12, 6.3), dpi=100, facecolor="white")
    figure.text(0.06, 0.82, "kdlab", fontsize=54, weight="bold", color="#22577a")
    figure.text(0.06, 0.68, "Knowledge distillation, tested", fontsize=36)
    figure.text(
        0.06,
        0.59,
        f"{len(claims)} usual claims, and what a course measured of them",
        fontsize=21,
        color="0.3",
    )
    axis = figure.add_axes((0.06, 0.26, 0.88, 0.2))
    axis.axis("off")
    left = 0
    for answer in filter(counts.get, ANSWERS):
        count = counts[answer]
        axis.barh(0, count, left=left, color=colours[answer], edgecolor="white", linewidth=3, label=answer)
        look = {"fontsize": 28, "color": "white", "weight": "bold"}
        axis.text(left + count / 2, 0, count, ha="center", va="center", **look)
        left += count
    axis.set_xlim(0, left)
    figure.legend(
        loc="lower left", bbox_to_anchor=(0.05, 0.12), ncols=5, fontsize=17, frameon=False,
        handlelength=1, handleheight=1, columnspacing=1.4, handletextpad=0.5,
    )  # fmt: skip
    figure.savefig(path)
    canvas.plt.close(figure)
