import { configurationJsonSchema } from '#src/config/json-schema.ts'

/** Prints the JSON Schema of `factory.yaml`, from which editors complete and check. */
export function schemaCommand(print: (text: string) => void = (text) => process.stdout.write(text)): void {
  print(`${JSON.stringify(configurationJsonSchema(), undefined, 2)}\n`)
}
