import { createHash } from 'node:crypto'

const id = (text: string) => createHash('sha256').update(text).digest('hex')

const stages = [
  'org.osbuild.rpm',
  'org.osbuild.selinux',
  'org.osbuild.sfdisk',
  'org.osbuild.bootc.install-to-filesystem',
]

/** As osbuild writes it, for people, with the option dumps that come along. */
function stage(name: string): string {
  return `${name}: ${id(name)} {\n  "label": "gpt"\n}\nsome output of ${name}\n\n⏱  Duration: 1s\n`
}

/** The verbose transcript of a run that ends well. */
export const successTranscript = `Generating manifest manifest-qcow2-raw.json
Manifest generation step
Done generating manifest
Disk image building step
Building manifest-qcow2-raw.json
starting -Pipeline source org.osbuild.containers-storage: ${id('source')}
Build
  root: <host>
Pipeline build: ${id('build')}
Build
  root: <host>
${stage('org.osbuild.rpm')}${stage('org.osbuild.selinux')}Pipeline image: ${id('image')}
${stage('org.osbuild.sfdisk')}${stage('org.osbuild.bootc.install-to-filesystem')}Pipeline qcow2: ${id('qcow2')}
${stage('org.osbuild.qemu')}manifest - finished successfully
build:    \t${id('build')}
image:    \t${id('image')}
Build complete!
Results saved in .
`

/** The manifest of the same run; the last two pipelines are in it without being asked for. */
export const manifest = JSON.stringify({
  version: '2',
  pipelines: [
    { name: 'build', runner: 'org.osbuild.fedora42', stages: stages.slice(0, 2).map((type) => ({ type })) },
    { name: 'image', build: 'name:build', stages: stages.slice(2).map((type) => ({ type })) },
    {
      name: 'qcow2',
      build: 'name:build',
      stages: [
        {
          type: 'org.osbuild.qemu',
          inputs: { image: { references: { 'name:image': { file: 'disk.raw' } } } },
        },
      ],
    },
    { name: 'vmdk', build: 'name:build', stages: [{ type: 'org.osbuild.qemu' }] },
    { name: 'gce', build: 'name:build', stages: [{ type: 'org.osbuild.tar' }] },
  ],
})

/** The end of a transcript in which a stage said this and failed. */
export function failedTranscript(said: string): string {
  return `Manifest generation step
Disk image building step
Building manifest-qcow2-raw.json
Pipeline image: ${id('image')}
${stage('org.osbuild.sfdisk')}${said}

manifest - failed
2026/06/18 09:07:14 error: cannot run osbuild: error running osbuild: exit status 1
`
}

/** A run that is refused before osbuild starts. */
export function refusedTranscript(said: string): string {
  return `Manifest generation step\n2026/06/18 09:07:14 error: ${said}\n`
}
