// A Sequence's own code: finding its file, loading it, and the functions it exports.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const ENDINGS = ["", ".js", ".mjs", ".cjs", "/index.js"];

/**
 * Loads a Sequence; its folder becomes the working directory.
 *
 * Gives `{functions, declared}`: the functions to call one after the other, and what an object before them declares,
 * like `{requires: "names", contentType: "text/plain"}`.
 */
export async function load(directory, main) {
  const file = find(path.resolve(directory, main));
  process.chdir(path.dirname(file));
  process.argv[1] = file;
  const exported = defaultOf(await import(pathToFileURL(file).href));
  const [first, ...rest] = Array.isArray(exported) ? exported : [exported];
  const declares = typeof first === "object" && first !== null && rest.length > 0;
  const functions = declares ? rest : [first, ...rest];
  if (!functions.every((item) => typeof item === "function")) {
    throw new TypeError(
      `${main} must export a function, or an array of functions, by module.exports or export default`,
    );
  }
  return { functions, declared: declares ? first : {} };
}

function find(main) {
  const file = ENDINGS.map((ending) => main + ending).find((name) =>
    fs.statSync(name, { throwIfNoEntry: false })?.isFile(),
  );
  if (file === undefined) throw new Error(`there is no file ${path.basename(main)}`);
  return fs.realpathSync(file);
}

/** The default export; import() wraps what CommonJS exports once more, and so do compilers. */
function defaultOf(exported) {
  let value = exported;
  while (typeof value === "object" && value !== null && !Array.isArray(value) && "default" in value)
    value = value.default;
  return value;
}
