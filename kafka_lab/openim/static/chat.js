// The page: one phone for each user in its address, and a form for more. What follows # is sent to nobody.
import { Phone } from "./phone.js";

const MOST_PHONES = 6;
const values = new URLSearchParams(location.hash.slice(1));
const secret = values.get("secret") || "";
const phones = document.querySelector(".phones");
const problem = document.querySelector(".problem");
const shown = new Map();

function remember() {
  const kept = new URLSearchParams({ secret });
  for (const user of shown.keys()) {
    kept.append("user", user);
  }
  history.replaceState(null, "", `#${kept}`);
}

function complain(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

function add(user) {
  complain("");
  if (!user) {
    return;
  }
  if (shown.has(user)) {
    complain(`The phone of ${user} is shown already.`);
    return;
  }
  if (shown.size >= MOST_PHONES) {
    complain(`${MOST_PHONES} phones are shown, and more do not fit: put one away for that of ${user}.`);
    return;
  }
  const phone = new Phone(user, secret, () => {
    shown.delete(user);
    remember();
  });
  shown.set(user, phone);
  phones.append(phone.element);
}

document.querySelector(".enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.who;
  add(field.value.trim());
  field.value = "";
  remember();
});
document.addEventListener("visibilitychange", () => {
  shown.forEach((phone) => phone.changed());
});
if (secret) {
  values.getAll("user").forEach(add);
} else {
  complain("This address lacks its secret: open the one that lab.openim().web_url gives.");
}
