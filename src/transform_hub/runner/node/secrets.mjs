// The secrets of an Instance, which don't show by accident.

import { inspect } from "node:util";

/** @param {Record<string, string>} values by name @returns the same; printed or logged it shows the names */
export function secretsOf(values) {
  const shown = () => `<secrets ${Object.keys(values).join(", ")}>`;
  const hidden = Object.create(Object.prototype, {
    [inspect.custom]: { value: shown },
    toJSON: { value: shown },
    toString: { value: shown },
  });
  return Object.freeze(Object.assign(Object.create(hidden), values));
}
