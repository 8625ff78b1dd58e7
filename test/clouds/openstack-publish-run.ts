import { createOpenstackCloud } from '#clouds/openstack/index.ts'
import { testContext } from '#test/contract/cloud.ts'

/** A publish in a process of its own, to be killed while the content is on its way: its arguments are one JSON text. */
const [{ configuration, owner, stateDirectory }, artifact, key] = JSON.parse(process.argv[2]!)
const cloud = await createOpenstackCloud('test', configuration, { owner, stateDirectory })
await cloud.images!.publish(artifact, key, testContext())
