// The table of usual claims: rows that do not fit the word or the choices are hidden.
const rows = [...document.querySelectorAll("#usual tbody tr")];
const field = (name) => document.getElementById(`usual-${name}`);
const count = field("count");

function filter() {
  const words = field("word").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const chosen = ["task", "lesson", "answer"].every((name) => {
      const value = field(name).value;
      return !value || row.dataset[name].split("|").includes(value);
    });
    row.hidden = !(chosen && words.every((word) => text.includes(word)));
    shown += !row.hidden;
  }
  count.textContent = `${shown} of ${rows.length} claims`;
}

for (const name of ["word", "task", "lesson", "answer"]) field(name).addEventListener("input", filter);
filter();
