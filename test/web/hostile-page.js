// What a page of somebody else tries on a factory in whose page the same browser is logged in. Every attempt ends, and says
// what the page that made it could read: text, or that something was shown or run; nothing where it was refused.

let frames = 0

/** A form of any kind, as a click would send it; cookies travel as far as the browser lets them. */
function postForm(address, enctype, fields) {
  const frame = document.createElement('iframe')
  frame.name = `frame${(frames += 1)}`
  document.body.append(frame)
  const form = document.createElement('form')
  Object.assign(form, { method: 'post', action: address, enctype, target: frame.name })
  for (const [name, value] of Object.entries(fields))
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }))
  document.body.append(form)
  const loaded = new Promise((resolve) => frame.addEventListener('load', () => resolve(textOf(frame))))
  form.submit()
  return loaded
}

function textOf(frame) {
  try {
    return frame.contentDocument.body.innerText
  } catch {
    return undefined
  }
}

async function ask(address, options) {
  try {
    const response = await fetch(address, { credentials: 'include', ...options })
    const reader = response.body?.getReader()
    const { value } = (await reader?.read()) ?? {}
    // A stream of events has no end.
    void reader?.cancel()
    return value && `${response.status} ${new TextDecoder().decode(value)}`
  } catch {
    return undefined
  }
}

/** A script, an image, a style or a frame: what of it is run or shown can be told from outside. */
function embed(kind, attribute, address) {
  const element = document.createElement(kind)
  if (kind === 'link') element.rel = 'stylesheet'
  const ended = new Promise((resolve) => {
    element.addEventListener('load', () => resolve(kind === 'iframe' ? textOf(element) : 'loaded'))
    element.addEventListener('error', () => resolve(undefined))
  })
  element[attribute] = address
  document.body.append(element)
  return ended
}

function listenTo(address) {
  const source = new EventSource(address, { withCredentials: true })
  return new Promise((resolve) => {
    source.addEventListener('open', () => resolve('open'))
    source.addEventListener('error', () => resolve(undefined))
  }).finally(() => source.close())
}

function connectTo(address) {
  const socket = new WebSocket(address.replace('http', 'ws'))
  return new Promise((resolve) => {
    socket.addEventListener('open', () => resolve('open'))
    socket.addEventListener('error', () => resolve(undefined))
  })
}

/** Every way in which a page can send something, for each path that changes something. Returns what could be read. */
async function changeAll(target, paths, fields) {
  const json = { 'Content-Type': 'application/json' }
  const read = []
  for (const path of paths) {
    const address = target + path
    const multipart = new FormData()
    for (const [name, value] of Object.entries(fields)) multipart.set(name, value)
    const bodies = [new URLSearchParams(fields), multipart, '{}']
    const attempts = [
      ...['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'].map((enctype) =>
        postForm(address, enctype, fields),
      ),
      ...bodies.flatMap((body) => [
        ask(address, { method: 'POST', mode: 'no-cors', body }),
        ask(address, { method: 'POST', body }),
      ]),
      ask(address, { method: 'POST', headers: json, body: '{}' }),
      ask(address, { method: 'POST', headers: { ...json, 'X-CSRF-Token': fields.csrf }, body: '{}' }),
    ]
    for (const text of await Promise.all(attempts)) if (text) read.push(`${path}: ${text}`)
  }
  return read
}

/** Every way in which a page can look at something. Returns what could be read. */
async function lookAtAll(target, paths) {
  const read = []
  for (const path of paths) {
    const address = target + path
    const attempts = [
      ask(address),
      ask(address, { mode: 'no-cors' }),
      embed('script', 'src', address),
      embed('img', 'src', address),
      embed('link', 'href', address),
      embed('iframe', 'src', address),
      listenTo(address),
      connectTo(address),
    ]
    for (const text of await Promise.all(attempts)) if (text) read.push(`${path}: ${text}`)
  }
  return read
}

Object.assign(globalThis, { changeAll, lookAtAll, ask, listenTo })
