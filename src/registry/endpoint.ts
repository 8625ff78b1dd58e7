/** Whether the registry is on this machine: only there plain HTTP is spoken, as podman and docker do. */
export function isLoopback(registry: string): boolean {
  const host = registry.replace(/:\d+$/, '')
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** Where the registry's API is: `https://quay.io/v2/`, `http://localhost:5055/v2/`. */
export function endpoint(registry: string): string {
  if (registry === 'docker.io') return 'https://registry-1.docker.io/v2/'
  return `${isLoopback(registry) ? 'http' : 'https'}://${registry}/v2/`
}
