/** MathML's elements, which React renders and its types leave out. */
import type { HTMLAttributes, PropsWithChildren } from 'react';

type MathElement = PropsWithChildren<
  HTMLAttributes<MathMLElement> & {
    display?: 'block' | 'inline';
    stretchy?: 'true' | 'false';
    accent?: 'true' | 'false';
    width?: string;
  }
>;

type MathTag =
  | 'math' | 'mrow' | 'mi' | 'mn' | 'mo' | 'mtext' | 'mspace' | 'mstyle' | 'mfrac' | 'msqrt'
  | 'msub' | 'msup' | 'msubsup' | 'munder' | 'mover' | 'munderover';

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements extends Record<MathTag, MathElement> {}
  }
}
