/** The words of a text: long lists of names stay readable, and a change to one shows as one. */
export function words(text: string): string[] {
  return text.trim().split(/\s+/)
}
