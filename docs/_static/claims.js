// The table of usual claims: rows and verdicts that do not fit the word or the choices are hidden.
const rows = [...document.querySelectorAll("#usual tbody tr")];
const field = (name) => document.getElementById(`usual-${name}`);
const count = field("count");

// As it is typed: without accents, with any minus, and with or without spaces around an equals sign.
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[\u2212\u2013]/g, "-")
  .replace(/\s*=\s*/g, "=").replace(/\s+/g, " ").toLowerCase();

function words(element) {
  const copy = element.cloneNode(true);
  copy.querySelectorAll("summary, b.usual-head").forEach((fixed) => fixed.remove());
  return plain(copy.textContent);
}

const texts = new Map(rows.map((row) => [row, words(row)]));
const folded = new Map(rows.map((row) => [row, words(row.querySelector("details"))]));

function filter() {
  const asked = plain(field("word").value).split(" ").filter(Boolean);
  const fits = (element, name) => {
    const value = field(name).value;
    return !value || element.dataset[name].split("|").includes(value);
  };
  let shown = 0;
  for (const row of rows) {
    const chosen = ["task", "lesson", "answer"].every((name) => fits(row, name));
    row.hidden = !(chosen && asked.every((word) => texts.get(row).includes(word)));
    shown += !row.hidden;
    for (const verdict of row.querySelectorAll("li")) verdict.hidden = !(fits(verdict, "task") && fits(verdict, "lesson"));
    row.querySelector("details").open = asked.some((word) => folded.get(row).includes(word));
  }
  count.textContent = `${shown} of ${rows.length} claims${shown ? "" : ": take a filter away"}`;
}

for (const name of ["word", "task", "lesson", "answer"]) field(name).addEventListener("input", filter);
filter();
