import { describe, expect, test } from 'vitest'
import { createMask } from '#src/mask.ts'

const secret = 'pa$$w0rd/+ &"é'

describe('a mask', () => {
  test.each([
    ['as it is', `login with ${secret} now`],
    ['twice', `${secret}${secret}`],
    ['in a URL', `https://u:${encodeURIComponent(secret)}@host/`],
    ['in a form', `a=1&p=${encodeURIComponent(secret).replaceAll('%20', '+')}`],
    ['in JSON', JSON.stringify({ password: secret })],
    ['as base64', `Authorization: Basic ${Buffer.from(secret).toString('base64')}`],
    ['as base64 with a user before it', Buffer.from(`u:${secret}`).toString('base64')],
    ['as base64 with a longer user before it', Buffer.from(`me:${secret}`).toString('base64')],
    ['as base64 in the midst of more', Buffer.from(`{"auth":"x:${secret}"}`).toString('base64')],
    ['as base64 for URLs', Buffer.from(`user:${secret}`).toString('base64url')],
  ])('hides a secret %s', (_, text) => {
    const masked = createMask([secret]).text(text)
    expect(masked).toContain('***')
    for (const token of masked.match(/[\w+/=-]{8,}/g) ?? []) {
      expect(Buffer.from(token, 'base64').toString()).not.toContain('pa$$w0rd')
    }
    expect(masked).not.toContain('pa$$')
    expect(masked).not.toContain(encodeURIComponent('pa$$'))
  })

  test('hides each line of a key that tools print line by line', () => {
    const key = '-----BEGIN KEY-----\nc2VjcmV0LWtleS1saW5lLTE\nc2VjcmV0LWtleS1saW5lLTI\n-----END KEY-----\n'
    const mask = createMask([key])
    expect(mask.text('log: c2VjcmV0LWtleS1saW5lLTI')).toBe('log: ***')
    expect(mask.text(key)).toBe('***')
  })

  test('hides the longer of two secrets that begin alike', () => {
    const mask = createMask(['token-1', 'token-1-and-more'])
    expect(mask.text('token-1-and-more token-1')).toBe('*** ***')
  })

  test('goes through nested events and leaves everything else as it is', () => {
    const mask = createMask(['hunter2000'])
    const at = new Date(0)
    const event = {
      at: 1,
      ok: true,
      none: undefined,
      when: at,
      list: ['hunter2000', { hunter2000: 'x hunter2000' }],
    }
    expect(mask.deep(event)).toEqual({
      at: 1,
      ok: true,
      none: undefined,
      when: at,
      list: ['***', { '***': 'x ***' }],
    })
    expect(event.list[0]).toBe('hunter2000')
  })

  test('learns secrets later', () => {
    const mask = createMask()
    expect(mask.text('hunter2000')).toBe('hunter2000')
    mask.add('hunter2000')
    expect(mask.text('hunter2000')).toBe('***')
  })

  test('does not take words apart for values that are too short to be secrets', () => {
    const mask = createMask(['', 'a', 'on', '   '])
    expect(mask.text('an action on a lease')).toBe('an action on a lease')
  })

  test('is not fooled by signs that mean something in patterns or replacements', () => {
    expect(createMask(['a.*b$&']).text('aXXb a.*b$& $&')).toBe('aXXb *** $&')
  })
})
