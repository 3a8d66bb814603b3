import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const here = (path: string) => new URL(path, import.meta.url).pathname;

// Only what holds a connection is exchanged; every component, style and text is the product's.
const exchanged = new Map([
  [here('../src/talk/useTalk.ts'), here('useTalk.ts')],
  [here('../src/talk/tutor.ts'), here('tutor.ts')],
]);

function exchange(): Plugin {
  return {
    name: 'exchange',
    enforce: 'pre',
    async resolveId(source, importer, options) {
      if (importer === undefined || importer.startsWith(here('.'))) return null;
      const found = await this.resolve(source, importer, { ...options, skipSelf: true });
      return (found && exchanged.get(found.id)) ?? null;
    },
  };
}

export default defineConfig({
  root: here('.'),
  base: '/',
  publicDir: here('../public'),
  plugins: [exchange(), react()],
  build: {
    outDir: here('../../../build/states'),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
});
