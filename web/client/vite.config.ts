import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// `npm run dev` serves the page by itself and passes what belongs to the token server on.
const tokenServer = 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  // The Content-Security-Policy knows only files of our own: nothing is inlined.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 900 },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': tokenServer, '/auth/dev-login': tokenServer, '/auth/sign-out': tokenServer },
  },
});
