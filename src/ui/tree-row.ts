import type { ListrDefaultRenderer, ListrTask, ListrTaskWrapper } from 'listr2'

type Wrapper = ListrTaskWrapper<unknown, ListrDefaultRenderer, ListrDefaultRenderer>
export type TreeTask = ListrTask<unknown, ListrDefaultRenderer, ListrDefaultRenderer>

/** One line of the tree. listr2 wants a promise for each task; ours is settled by the events that arrive. */
export interface TreeRow {
  readonly task: TreeTask
  readonly ended: boolean
  /** Changes the text; a row without one is not shown. */
  show(text: string | undefined): void
  done(): void
  fail(text: string): void
}

/** A row that starts at once and unseen, because rows cannot be added to a tree that is running. */
export function treeRow(rowsBelow: readonly TreeRow[] = []): TreeRow {
  const end = Promise.withResolvers<void>()
  end.promise.catch(() => {})
  let wrapper: Wrapper | undefined
  let shown: string | undefined
  let ended = rowsBelow.length > 0

  const show = (text: string | undefined) => {
    if (text === shown) return
    shown = text
    if (wrapper) wrapper.title = text ?? null
  }
  return {
    get ended() {
      return ended
    },
    show,
    done() {
      ended = true
      end.resolve()
    },
    fail(text) {
      if (ended) return
      ended = true
      show(text)
      end.reject(new Error(text))
    },
    task: {
      task(_, started) {
        wrapper = started
        wrapper.title = shown ?? null
        if (rowsBelow.length === 0) return end.promise
        const tasks = rowsBelow.map((row) => row.task)
        return started.newListr(tasks, { concurrent: true, exitOnError: false })
      },
    },
  }
}
