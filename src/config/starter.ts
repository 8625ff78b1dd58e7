/**
 * The commented file that `factory init` writes. It is text and not generated, because its comments are for people who
 * have never seen one; a test holds it against the schema.
 */
export const starterFile = `# The image factory: one Containerfile in, bootable images for every architecture out.
# Every key is explained in docs/configuration.md. "factory plan" shows what a release would do.
# For completion in your editor: factory schema > factory.schema.json, and tell the editor about it.

image:
  name: my-image # part of every image name in every cloud
  containerfile: Containerfile # its directory is the build context
  # buildArgs: { FEDORA: "44" }
  # secrets: { token: secrets/token } # for RUN --mount=type=secret,id=token
  # push: quay.io/example/my-image # one multi-architecture index; booted machines upgrade from it

disk:
  builder: quay.io/centos-bootc/bootc-image-builder:latest # pinned to a digest by every release
  rootfs: xfs # or ext4, btrfs
  # size: 20 GiB # at least this much for the root file system

# Where builders come from and where images go. The names are yours.
clouds:
  local:
    kind: libvirt
    uri: qemu:///system # or qemu+ssh://user@host/system, or a list of them
    pool: images # where the disk images go, and where the base disks of builders are
    base: # any cloud image with cloud-init, sshd and podman: builders are clones of it
      x86_64: { volume: builder-x86_64.qcow2, user: fedora }
  # aws: { kind: aws, region: us-east-1, base: { x86_64: { owner: self, name: "factory-base-x86_64-*", user: fedora } } } # docs/clouds/aws.md

# Which clouds rent the builders, in order; these are the architectures that are built.
builders:
  x86_64: [local]
  # aarch64: [local]
  # ppc64le: [local]
  # s390x: [local]

# Where the disk images go; each is booted there and asked which release it is.
publish:
  - { to: local, format: raw }

require: all # or any, or a list of architectures: what makes a release complete

# limits: { build: 2h, disk: 2h, boot: 10m, reconnect: 2m, lease: 4h, collect: 1h }
# retention: { keep: 3, minAge: 30d } # what factory gc leaves alone
# rebuild: { cron: "0 4 * * 1", timezone: UTC, inactivity: 14d, watch: [base] } # when factory serve releases by itself
`
