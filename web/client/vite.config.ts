import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// `npm run dev` serves the page and forwards everything else to the token server.
const tokenServer = 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  // The Content-Security-Policy allows no inline scripts or styles.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 900 },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/api': tokenServer,
      '/auth/dev-login': tokenServer,
      '/auth/options': tokenServer,
      '/auth/sign-out': tokenServer,
    },
  },
});
