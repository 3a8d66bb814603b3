import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const here = (path: string) => new URL(path, import.meta.url).pathname;

// Only the modules with a connection are replaced; all components, styles and texts are the real ones.
const replaced = new Map([
  [here('../src/talk/useTalk.ts'), here('useTalk.ts')],
  [here('../src/talk/tutor.ts'), here('tutor.ts')],
  [here('../src/talk/company.ts'), here('company.ts')],
]);

function replace(): Plugin {
  return {
    name: 'replace',
    enforce: 'pre',
    async resolveId(source, importer, options) {
      if (importer === undefined || importer.startsWith(here('.'))) return null;
      const found = await this.resolve(source, importer, { ...options, skipSelf: true });
      return (found && replaced.get(found.id)) ?? null;
    },
  };
}

export default defineConfig({
  root: here('.'),
  base: '/',
  publicDir: here('../public'),
  plugins: [replace(), react()],
  build: {
    outDir: here('../../../build/states'),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
});
