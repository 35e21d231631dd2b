// Renders the OpenAPI document and lets one try its calls. Text goes into the page as text, never as markup.

const DOCUMENT = "/api/v1/openapi.json";
const ASYNCAPI = "/api/v1/asyncapi.json";
const METHODS = ["post", "get", "put", "patch", "delete"]; // the order on the page: first what one does first
const NARROW = matchMedia("(max-width: 50rem)"); // as in docs.css
const LONGEST_SHOWN = 200_000;
const STREAMS = ["text/event-stream", "application/jsonl"]; // answers that may take as long as a batch
const FILES = "body files"; // of inputs; no parameter is called so
const JSON_BODY = "body json";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

function operationsOf(api) {
  return Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      path,
      method,
      ...item[method],
      parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])],
    })),
  );
}

function nameOf(schema) {
  return schema.$ref?.split("/").at(-1);
}

function typeOf(schema) {
  const name = nameOf(schema);
  if (name) return element("a", { href: `#schema-${name}` }, name);
  if (schema.const !== undefined) return element("code", {}, JSON.stringify(schema.const));
  if (schema.enum) return element("span", {}, schema.enum.join(" | "));
  const either = schema.anyOf ?? schema.oneOf;
  if (either && !schema.type) {
    return element("span", {}, ...either.flatMap((one, i) => (i ? [" or ", typeOf(one)] : [typeOf(one)])));
  }
  if (schema.type === "array") return element("span", {}, "list of ", typeOf(schema.items));
  if (schema.contentSchema) return element("span", {}, typeOf(schema.contentSchema), " as JSON");
  if (schema.contentMediaType) return element("span", {}, "bytes");
  return element("span", {}, [schema.type, schema.format && `(${schema.format})`].filter(Boolean).join(" "));
}

function boundsOf(schema) {
  const words = { minimum: "at least", maximum: "at most", minItems: "at least", maxItems: "at most" };
  const bounds = Object.keys(words).filter((key) => key in schema).map((key) => `${words[key]} ${schema[key]}`);
  if ("default" in schema) bounds.push(`default ${schema.default}`);
  return bounds.length ? ` (${bounds.join(", ")})` : "";
}

function row(...cells) {
  return element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
}

function fieldsTable(schema) {
  const required = schema.required ?? [];
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) =>
    row(
      element("code", {}, name),
      typeOf(field),
      element("span", {}, field.description ?? "", boundsOf(field)),
      required.includes(name) ? "always" : "optional",
    ),
  );
  return element("table", {}, ...rows);
}

function parametersTable(parameters) {
  const rows = parameters.map((parameter) =>
    row(
      element("code", {}, parameter.name),
      parameter.in,
      typeOf(parameter.schema),
      element("span", {}, parameter.description ?? "", boundsOf(parameter.schema)),
    ),
  );
  return element("table", {}, ...rows);
}

function contentOf(content) {
  const parts = Object.entries(content ?? {}).flatMap(([mediaType, { schema }], i) => [
    i ? ", " : "",
    element("code", {}, mediaType),
    " ",
    typeOf(schema),
  ]);
  return element("span", {}, ...parts);
}

function responsesTable(responses) {
  const rows = Object.entries(responses).map(([status, response]) =>
    row(element("code", {}, status), response.description, contentOf(response.content)),
  );
  return element("table", {}, ...rows);
}

function addressOf(operation, values) {
  const path = operation.path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(values.get(name) ?? ""));
  const query = new URLSearchParams();
  for (const { name } of operation.parameters.filter((parameter) => parameter.in === "query")) {
    if (values.get(name)) query.set(name, values.get(name));
  }
  return query.size ? `${path}?${query}` : path;
}

async function shown(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (type.startsWith("image/")) {
    const image = element("img", { alt: "The image that was answered" });
    image.src = URL.createObjectURL(await response.blob());
    image.addEventListener("load", () => URL.revokeObjectURL(image.src));
    return image;
  }
  if (STREAMS.some((stream) => type.startsWith(stream))) {
    const text = element("pre");
    showAsItComes(response.body, text).catch((error) => text.append(error.message));
    return text;
  }
  const text = (await response.text()).slice(0, LONGEST_SHOWN);
  try {
    return element("pre", {}, JSON.stringify(JSON.parse(text), null, 2));
  } catch {
    return element("pre", {}, text);
  }
}

async function showAsItComes(body, text) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  while (text.textContent.length < LONGEST_SHOWN) {
    const { done, value } = await reader.read();
    if (done) return;
    text.append(value);
  }
  await reader.cancel();
}

function inputFor({ name, schema }) {
  const choices = schema.enum ?? (schema.type === "boolean" ? ["true", "false"] : null);
  if (!choices) return element("input", { name });
  return element("select", { name }, ...["", ...choices].map((choice) => element("option", {}, choice)));
}

function labelled(text, input) {
  return element("label", {}, element("span", {}, text), input);
}

function bodyInputs({ requestBody }) {
  const { "multipart/form-data": form, "application/json": json } = requestBody?.content ?? {};
  const files = { name: FILES, type: "file", multiple: "", accept: "image/jpeg,image/png" };
  const text = json && JSON.stringify(json.example, null, 2);
  const called = form ? "or JSON" : requestBody?.required ? "JSON" : "JSON, or nothing";
  return [
    form ? labelled("Images", element("input", files)) : "",
    json ? labelled(called, element("textarea", { name: JSON_BODY, rows: text.split("\n").length }, text)) : "",
  ];
}

function requestFor({ method, requestBody }, values) {
  if (!requestBody) return { request: { method }, curl: method === "get" ? [] : ["-X", method.toUpperCase()] };
  const files = values.getAll(FILES).filter((file) => file.name);
  if (files.length) {
    const body = new FormData();
    for (const file of files) body.append("images", file);
    return { request: { method, body }, curl: files.flatMap(({ name }) => ["-F", quoted(`images=@${name}`)]) };
  }
  const type = "application/json";
  const body = values.get(JSON_BODY);
  const request = { method, body, headers: { "Content-Type": type } };
  return { request, curl: ["-H", quoted(`Content-Type: ${type}`), "-d", quoted(body)] };
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function tryForm(operation) {
  const asked = operation.parameters.filter((parameter) => parameter.in !== "header");
  const fields = asked.map((parameter) => labelled(parameter.name, inputFor(parameter)));
  const output = element("output");
  const button = element("button", {}, "Try it");
  const form = element("form", {}, ...fields, ...bodyInputs(operation), button, output);
  let last = new AbortController();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (operation.method === "delete" && !confirm(`${operation.summary}? There is no way back.`)) return;
    const values = new FormData(form);
    const address = addressOf(operation, values);
    const { request, curl } = requestFor(operation, values);
    last.abort();
    last = new AbortController();
    output.replaceChildren(element("pre", {}, ["curl", ...curl, quoted(location.origin + address)].join(" ")));
    try {
      const response = await fetch(address, { ...request, signal: last.signal });
      output.append(element("p", {}, `${response.status} ${response.statusText}`), await shown(response));
    } catch (error) {
      output.append(element("p", {}, `No answer: ${error.message}`));
    }
  });
  return form;
}

function requestOf({ requestBody, path }) {
  const address = location.origin + path;
  const example = requestBody.content["application/json"]?.example;
  const files = "multipart/form-data" in requestBody.content;
  return [
    element("h4", {}, "Body"),
    element("p", {}, contentOf(requestBody.content)),
    files ? element("pre", {}, `curl -F images=@photo1.jpg -F images=@photo2.png ${address}`) : "",
    example
      ? element("pre", {}, `curl ${address} -H 'Content-Type: application/json' -d '${JSON.stringify(example, null, 2)}'`)
      : "",
  ];
}

function exampleOf(responses) {
  const example = responses["201"]?.content["application/json"].example;
  return example ? element("pre", {}, JSON.stringify(example, null, 2)) : "";
}

function operationSection(operation) {
  const isTryable = !operation.responses["101"];
  return element(
    "section",
    { class: "operation", id: operation.operationId },
    element("h3", {}, operation.summary),
    element(
      "p",
      { class: "path" },
      element("span", { class: "method" }, operation.method),
      element("span", {}, operation.path),
    ),
    operation.description ? element("p", {}, operation.description) : "",
    ...(operation.parameters.length ? [element("h4", {}, "Parameters"), parametersTable(operation.parameters)] : []),
    ...(operation.requestBody ? requestOf(operation) : []),
    element("h4", {}, "Answers"),
    responsesTable(operation.responses),
    exampleOf(operation.responses),
    isTryable ? tryForm(operation) : "",
  );
}

function schemaSection([name, schema]) {
  return element(
    "section",
    { id: `schema-${name}` },
    element("h3", {}, name),
    schema.description ? element("p", {}, schema.description) : "",
    schema.properties ? fieldsTable(schema) : element("p", {}, typeOf(schema)),
  );
}

function contents(tags, operations) {
  return tags.flatMap(({ name }) => [
    element("h2", {}, name),
    ...operations
      .filter((operation) => operation.tags.includes(name))
      .map((operation) => element("a", { href: `#${operation.operationId}` }, operation.summary)),
  ]);
}

function render(api) {
  const operations = operationsOf(api);
  document.getElementById("title").textContent = api.info.title;
  document.getElementById("version").textContent = `Version ${api.info.version}, OpenAPI ${api.openapi}`;
  document.getElementById("contents").replaceChildren(
    ...contents(api.tags, operations),
    element("h2", {}, "shapes"),
    ...Object.keys(api.components.schemas).map((name) => element("a", { href: `#schema-${name}` }, name)),
  );
  document.getElementById("main").replaceChildren(
    ...api.info.description.trim().split("\n\n").map((paragraph) => element("p", {}, paragraph)),
    element("p", {}, "The document itself: ", element("a", { href: DOCUMENT }, DOCUMENT)),
    element("p", {}, "What is told unasked: ", element("a", { href: ASYNCAPI }, ASYNCAPI)),
    ...api.tags.flatMap(({ name }) => [
      element("h2", {}, name),
      ...operations.filter((operation) => operation.tags.includes(name)).map(operationSection),
    ]),
    element("h2", {}, "shapes"),
    ...Object.entries(api.components.schemas).map(schemaSection),
  );
}

function foldContents() {
  document.getElementById("fold").open = !NARROW.matches;
}

function goToAnchor() {
  // The browser looked for it before it was there.
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

foldContents();
NARROW.addEventListener("change", foldContents);
document.getElementById("contents").addEventListener("click", foldContents);
try {
  const response = await fetch(DOCUMENT);
  render(await response.json());
  goToAnchor();
} catch (error) {
  document.getElementById("main").replaceChildren(element("p", {}, `The document can't be shown: ${error.message}`));
}
