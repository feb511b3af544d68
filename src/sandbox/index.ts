export { SandboxError, SandboxFault } from './error.js';
export { type Sandbox, type SandboxOptions, startSandbox } from './sandbox.js';
