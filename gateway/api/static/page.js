// What the pages share. Text goes into them as text, never as markup.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** Only where it is news: who sets the same text again has a screen reader say it again. */
export function tell(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
