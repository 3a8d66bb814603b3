/** A formula's MathML, as the import made it. */
import { createElement, type ReactNode } from 'react';
import { texts } from '../texts';

interface FormulaProps {
  /** among the formulas of its lesson */
  number: number;
  mathml: string | null;
  /** as authored, in place of a missing MathML */
  tex: string;
  marked: boolean;
}

export function Formula({ number, mathml, tex, marked }: FormulaProps) {
  const math = (mathml && toElements(mathml)) ?? <code>{tex}</code>;
  return (
    <div className="formula" role="group" aria-label={texts.lesson.formula(number)}>
      {marked ? <mark>{math}</mark> : math}
      <span className="tag num" aria-hidden="true">
        ({number})
      </span>
    </div>
  );
}

const NAMESPACE = 'http://www.w3.org/1998/Math/MathML';

/** Through React, so that nothing but MathML's own elements and layout ever reaches the page. */
function toElements(mathml: string): ReactNode {
  const root = new DOMParser().parseFromString(mathml, 'application/xml').documentElement;
  return root.localName === 'math' ? draw(root, 0) : null;
}

function draw(node: Node, key: number): ReactNode {
  if (!(node instanceof Element)) return node.textContent;
  if (node.namespaceURI !== NAMESPACE) return null;
  const attributes = [...node.attributes].filter(({ name }) => /^[a-z]+$/.test(name) && !acting.test(name));
  const props = Object.fromEntries(attributes.map(({ name, value }) => [name, value]));
  return createElement(node.localName, { ...props, key }, ...[...node.childNodes].map(draw));
}

/** what could act or style; the import lets none of it through */
const acting = /^(on|href|src|class|style|xmlns|dangerously|ref|key)/i;
