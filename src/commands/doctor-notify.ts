import type { Finding } from '#clouds/types.ts'
import type { NotifyConfiguration } from '#src/config/types.ts'
import { asFactoryError } from '#src/errors.ts'
import { readAddress, readSecret } from '#src/notify/secret-file.ts'

/** Whether the secrets of those who are told can be read. Nobody is told anything, and no release needs it. */
export async function* notifyFindings(notify: readonly NotifyConfiguration[]): AsyncIterable<Finding> {
  for (const [index, receiver] of notify.entries()) {
    const subject = `notify[${index}] (${receiver.kind})`
    try {
      await readSecrets(receiver)
      yield { severity: 'ok', subject, message: 'its secrets can be read' }
    } catch (error) {
      const { message, hint } = asFactoryError(error)
      yield { severity: 'warning', subject, message, ...(hint === undefined ? {} : { hint }) }
    }
  }
}

async function readSecrets(receiver: NotifyConfiguration): Promise<void> {
  if ('urlFile' in receiver) await readAddress(receiver.urlFile)
  const files = [
    'secretFile' in receiver ? receiver.secretFile : undefined,
    'tokenFile' in receiver ? receiver.tokenFile : undefined,
    'passwordFile' in receiver ? receiver.passwordFile : undefined,
  ]
  for (const file of files) if (file !== undefined) await readSecret(file)
}
