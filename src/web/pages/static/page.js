// Brings the page up to date: whenever something happened, it is asked for again and what differs is changed in place.
// So what is shown is always what a reload would show, and nothing is lost with a connection.

const leastBetweenMs = 1000
const atLeastEveryMs = 30_000
const awaitedEveryMs = 3000
const lineElement = document.getElementById('line')
let stream
let timer
let asking = false
let again = false
let askedAt = 0

/** Asks soon; many events in a second are asked about once. */
function refreshSoon() {
  if (asking) {
    again = true
    return
  }
  clearTimeout(timer)
  timer = setTimeout(refresh, Math.max(0, askedAt + leastBetweenMs - Date.now()))
}

async function refresh() {
  asking = true
  again = false
  askedAt = Date.now()
  try {
    const response = await fetch(location.href, { headers: { Accept: 'text/html' } })
    if (response.redirected) return location.reload()
    const fresh = new DOMParser().parseFromString(await response.text(), 'text/html')
    const main = fresh.getElementById('main')
    if (main && response.ok) morph(document.getElementById('main'), main)
    show()
  } catch {
    tell('No connection; trying again.')
  } finally {
    asking = false
    clearTimeout(timer)
    const quietMs = document.querySelector('[data-awaited]') ? awaitedEveryMs : atLeastEveryMs
    timer = setTimeout(refresh, again ? leastBetweenMs : quietMs)
  }
}

/** Makes the children of one element like those of another. What people opened, typed, chose and look at stays. */
function morph(old, fresh) {
  for (const { name, value } of fresh.attributes)
    if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  for (const { name } of Array.from(old.attributes))
    if (!fresh.hasAttribute(name) && !(name === 'open' && old.nodeName === 'DETAILS'))
      old.removeAttribute(name)
  let at = old.firstChild
  for (const node of Array.from(fresh.childNodes)) {
    const same = node.id ? Array.from(old.children).find(({ id }) => id === node.id) : at
    if (same && same.nodeName === node.nodeName && (same.id ?? '') === (node.id ?? '')) {
      if (same !== at) old.insertBefore(same, at)
      if (same.nodeType === Node.ELEMENT_NODE) morph(same, node)
      else if (same.data !== node.data) same.data = node.data
      at = same.nextSibling
    } else old.insertBefore(node, at)
  }
  while (at) {
    const next = at.nextSibling
    at.remove()
    at = next
  }
}

/** Listens while somebody looks: a browser has few connections for all its tabs. */
function listen() {
  if (document.hidden || stream) return
  stream = new EventSource('/events')
  stream.addEventListener('open', () => {
    tell('Live')
    refreshSoon()
  })
  stream.addEventListener('message', refreshSoon)
  stream.addEventListener('gap', refreshSoon)
  stream.addEventListener('error', () => {
    tell('No connection; trying again.')
    if (stream?.readyState !== EventSource.CLOSED) return
    stop()
    setTimeout(listen, 5000)
  })
}

function stop() {
  stream?.close()
  stream = undefined
}

function tell(text) {
  if (lineElement.textContent !== text) lineElement.textContent = text
  lineElement.classList.toggle('is-live', text === 'Live')
}

/** What only works with this script. */
function show() {
  for (const button of document.querySelectorAll('button.copy[hidden]')) button.hidden = false
}

document.addEventListener('visibilitychange', () => (document.hidden ? stop() : listen()))
document.addEventListener('click', async ({ target }) => {
  const button = target instanceof Element ? target.closest('button.copy') : undefined
  if (!button) return
  await navigator.clipboard.writeText(button.dataset.copy)
  button.textContent = 'Copied'
  setTimeout(() => (button.textContent = 'Copy'), 2000)
})
// A message is for once: a reload does not say it again.
if (location.search.includes('told=')) history.replaceState(null, '', location.pathname)
show()
listen()
