/** A formula's TeX as MathML. Knows what lessons use; what it does not know it shows as written. */
import { Fragment, type ReactNode } from 'react';
import { texts } from '../texts';

export function Formula({ tex, marked }: { tex: string; marked: boolean }) {
  const math = <math display="block">{new TeX(tex).row()}</math>;
  return (
    <div className="formula" role="group" aria-label={texts.lesson.formula(tex)}>
      {marked ? <mark>{math}</mark> : math}
    </div>
  );
}

const letters: Record<string, string> = {
  alpha: 'α', beta: 'β', gamma: 'γ', delta: 'δ', epsilon: 'ε', varepsilon: 'ε', zeta: 'ζ', eta: 'η',
  theta: 'θ', kappa: 'κ', lambda: 'λ', mu: 'μ', nu: 'ν', xi: 'ξ', pi: 'π', rho: 'ρ', sigma: 'σ',
  tau: 'τ', phi: 'φ', varphi: 'φ', chi: 'χ', psi: 'ψ', omega: 'ω', Gamma: 'Γ', Delta: 'Δ', Theta: 'Θ',
  Lambda: 'Λ', Sigma: 'Σ', Phi: 'Φ', Psi: 'Ψ', Omega: 'Ω', infty: '∞', partial: '∂', ldots: '…', dots: '…',
};
const signs: Record<string, string> = {
  cdot: '·', times: '×', div: '÷', pm: '±', leftarrow: '←', gets: '←', rightarrow: '→', to: '→',
  Rightarrow: '⇒', le: '≤', leq: '≤', ge: '≥', geq: '≥', ne: '≠', neq: '≠', approx: '≈', sim: '∼',
  in: '∈', nabla: '∇', mid: '∣', top: '⊤',
};
const sums: Record<string, string> = { sum: '∑', prod: '∏', int: '∫' };
const words = new Set(['log', 'ln', 'exp', 'max', 'min', 'sin', 'cos', 'tan', 'tanh', 'arg', 'lim']);
const accents: Record<string, string> = { hat: '^', bar: '¯', vec: '→', tilde: '~' };
const ignored = new Set(['left', 'right', ',', ';', ' ', '!', 'quad', 'displaystyle', 'limits']);

class TeX {
  private readonly parts: readonly string[];
  private at = 0;

  constructor(tex: string) {
    this.parts = tex.match(/\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|\S/g) ?? [];
  }

  row(): ReactNode {
    const nodes: ReactNode[] = [];
    while (this.at < this.parts.length && this.parts[this.at] !== '}') {
      nodes.push(<Fragment key={this.at}>{this.scripted()}</Fragment>);
    }
    return <mrow>{nodes}</mrow>;
  }

  /** One thing with what hangs on it below and above. */
  private scripted(): ReactNode {
    const large = this.parts[this.at]?.slice(1) ?? '';
    const base = this.one();
    let below: ReactNode = null;
    let above: ReactNode = null;
    for (;;) {
      const part = this.parts[this.at];
      if (part === '_' && below === null) below = this.script();
      else if (part === '^' && above === null) above = this.script();
      else break;
    }
    if (below === null && above === null) return base;
    const isSum = Object.hasOwn(sums, large) || large === 'lim';
    if (below !== null && above !== null) {
      return isSum ? (
        <munderover>{base}{below}{above}</munderover>
      ) : (
        <msubsup>{base}{below}{above}</msubsup>
      );
    }
    if (below !== null) return isSum ? <munder>{base}{below}</munder> : <msub>{base}{below}</msub>;
    return isSum ? <mover>{base}{above}</mover> : <msup>{base}{above}</msup>;
  }

  private script(): ReactNode {
    this.at += 1;
    return this.one();
  }

  private one(): ReactNode {
    const part = this.parts[this.at++];
    if (part === undefined) return <mrow />;
    if (part === '{') return this.group();
    if (part.startsWith('\\')) return this.command(part.slice(1));
    if (/^\d/.test(part)) return <mn>{part}</mn>;
    if (/^\p{L}$/u.test(part)) return <mi>{part}</mi>;
    return <mo stretchy="false">{part === '-' ? '−' : part === '*' ? '·' : part}</mo>;
  }

  private group(): ReactNode {
    const word = this.plainWord();
    if (word !== null) return <mi>{word}</mi>;
    const inside = this.row();
    this.at += 1; // the closing brace
    return inside;
  }

  /** `{new}` is a name, not n times e times w; null where the group is something else. */
  private plainWord(): string | null {
    const end = this.parts.indexOf('}', this.at);
    const inside = end < 0 ? [] : this.parts.slice(this.at, end);
    if (inside.length < 3 || !inside.every((part) => /^\p{L}$/u.test(part))) return null;
    this.at = end + 1;
    return inside.join('');
  }

  private command(name: string): ReactNode {
    if (name === 'frac') {
      const [over, under] = [this.one(), this.one()];
      return <mfrac>{over}{under}</mfrac>;
    }
    if (name === 'sqrt') return <msqrt>{this.one()}</msqrt>;
    if (name === 'text' || name === 'mathrm' || name === 'operatorname') return this.one();
    if (name === 'mathbf' || name === 'boldsymbol') return <mstyle className="bold">{this.one()}</mstyle>;
    if (Object.hasOwn(accents, name)) return <mover accent="true">{this.one()}<mo>{accents[name]}</mo></mover>;
    if (Object.hasOwn(letters, name)) return <mi>{letters[name]}</mi>;
    if (Object.hasOwn(signs, name)) return <mo>{signs[name]}</mo>;
    if (Object.hasOwn(sums, name)) return <mo>{sums[name]}</mo>;
    if (words.has(name)) return <mi>{name}</mi>;
    if (ignored.has(name)) return <mspace width="0.17em" />;
    return <mtext>{/^[a-zA-Z]/.test(name) ? `\\${name}` : name}</mtext>;
  }
}

/** The TeX of a formula passage, `$$` taken off. */
export function texOf(body: string): string {
  return body.trim().replace(/^\$\$/, '').replace(/\$\$$/, '').trim();
}
