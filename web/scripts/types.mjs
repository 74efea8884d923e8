// Writes src/protocol.ts from the schema that the server's protocol writes of itself.
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const schema = JSON.parse(
  await readFile(new URL("../../docs/live/protocol.schema.json", import.meta.url), "utf8"),
);
for (const definition of Object.values(schema.$defs)) {
  if (!definition.properties) continue;
  // Titles of single fields would each become a type of their own, and a field that is what the
  // union is told apart by must be there.
  for (const field of Object.values(definition.properties)) delete field.title;
  if (definition.properties.type && !definition.required?.includes("type"))
    definition.required = [...(definition.required ?? []), "type"];
}
const types = await compile(schema, "LiveProtocol", {
  additionalProperties: false,
  bannerComment:
    "// Made by `npm run types` from docs/live/protocol.schema.json: change that, not this.",
  format: true,
  style: { printWidth: 100 },
  unreachableDefinitions: true,
});
// Nothing in the protocol refers to it: a code may also be one of a later server.
const { description, enum: codes } = schema.$defs.ErrorCode;
const text = `${types}
/** ${description} */
export type ErrorCode =
${codes.map((code) => `  | "${code}"`).join("\n")};
`;
const file = new URL("../src/protocol.ts", import.meta.url);
if (process.argv.includes("--check")) {
  if ((await readFile(file, "utf8")) !== text) {
    console.error("src/protocol.ts is not of the schema in docs/live; run: npm run types");
    process.exit(1);
  }
} else await writeFile(file, text);
