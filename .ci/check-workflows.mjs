// Read workflows, and actions, as GitHub's own editor does, and print what it complains of, a line each.
//
//   node .ci/check-workflows.mjs FILE...
//
// A step that uses this project's action, by whatever owner, or as ./, is held against action.yml.
import {readFile} from "node:fs/promises";
import {register} from "node:module";
import {basename, dirname, resolve} from "node:path";
import {fileURLToPath} from "node:url";

// GitHub's packages are meant for a bundler: they import JSON without an attribute, which Node requires.
const hook = `export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? {...context, importAttributes: {type: "json"}} : context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const tools = `${root}/.cache/npm/node_modules`;
const {validate} = await import(`${tools}/@actions/languageservice/dist/index.js`);
const {TextDocument} = await import(`${tools}/vscode-languageserver-textdocument/lib/esm/main.js`);
const {parse} = await import(`${tools}/yaml/dist/index.js`);

const ours = parse(await readFile(`${root}/action.yml`, "utf8"));
const actionsMetadataProvider = {
  fetchActionMetadata: async ({name}) => (name === "lusid-image-publish" ? ours : undefined),
};

for (const file of process.argv.slice(2)) {
  const text = await readFile(file, "utf8");
  const kind = file.endsWith("action.yml") ? "action" : "workflow";
  const uri = `file:///${kind === "action" ? "action.yml" : `.github/workflows/${basename(file)}`}`;
  const shown = text.replaceAll(/uses: \.\/(?=\s)/g, "uses: OWNER/lusid-image-publish@v1");
  const document = TextDocument.create(uri, kind, 1, shown);
  for (const {range, message} of await validate(document, {actionsMetadataProvider})) {
    if (message.startsWith("Unable to resolve action")) continue; // somebody else's: it would ask GitHub
    console.log(`${file}:${range.start.line + 1}: ${message}`);
  }
}
