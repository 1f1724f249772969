//! Multiplication in Fq12 = Fq6\[w\] over Fq6 = Fq2\[v\], with w² = v and v³ = ξ = 9 + u.

use ark_bn254::{Fq2, Fq6, Fq12};

use super::{
    limbs::{add2, double2, sub2, times_xi, triple2},
    wide::{Loose, mul2, product2},
};

/// The element 1 + `w`·w + `w3`·w³.
pub(super) struct LineValue {
    pub(super) w: Fq2,
    pub(super) w3: Fq2,
}

/// (f0 + f1·w)·(1 + l·w) = f0 + v·f1·l + (f1 + f0·l)·w for l = a + b·v.
pub(super) fn mul_by_line(f: &mut Fq12, line: &LineValue) {
    let low = mul6_by_line(&f.c0, line);
    let high = mul6_by_line(&f.c1, line);
    f.c0 = add6(&f.c0, &times_v(&high));
    f.c1 = add6(&f.c1, &low);
}

/// (x + y·v + z·v²)·(a + b·v) with five products.
#[inline(never)]
fn mul6_by_line(f: &Fq6, LineValue { w: a, w3: b }: &LineValue) -> Fq6 {
    let Fq6 { c0: x, c1: y, c2: z, .. } = f;
    let xa = product2(&x.into(), &a.into());
    let yb = product2(&y.into(), &b.into());
    let za = product2(&z.into(), &a.into());
    let xi_zb = product2(&z.into(), &(&times_xi(b)).into());
    let mixed = product2(&Loose::sum(x, y), &Loose::sum(a, b)).minus(&xa).minus(&yb);
    Fq6::new(xa.plus(&xi_zb).reduce(), mixed.reduce(), za.plus(&yb).reduce())
}

fn mul6(a: &Fq6, b: &Fq6) -> Fq6 {
    let product = |left: &Fq2, right: &Fq2| product2(&left.into(), &right.into());
    let [t0, t1, t2] = [product(&a.c0, &b.c0), product(&a.c1, &b.c1), product(&a.c2, &b.c2)];
    let mixed = |left: (&Fq2, &Fq2), right: (&Fq2, &Fq2)| {
        product2(&Loose::sum(left.0, left.1), &Loose::sum(right.0, right.1))
    };
    let m01 = mixed((&a.c0, &a.c1), (&b.c0, &b.c1)).minus(&t0).minus(&t1);
    let m02 = mixed((&a.c0, &a.c2), (&b.c0, &b.c2)).minus(&t0).minus(&t2).plus(&t1);
    let m12 = mixed((&a.c1, &a.c2), (&b.c1, &b.c2)).minus(&t1).minus(&t2);
    Fq6::new(
        add2(&t0.reduce(), &times_xi(&m12.reduce())),
        add2(&m01.reduce(), &times_xi(&t2.reduce())),
        m02.reduce_three(),
    )
}

#[inline(always)]
fn add6(a: &Fq6, b: &Fq6) -> Fq6 {
    Fq6::new(add2(&a.c0, &b.c0), add2(&a.c1, &b.c1), add2(&a.c2, &b.c2))
}

#[inline(always)]
fn sub6(a: &Fq6, b: &Fq6) -> Fq6 {
    Fq6::new(sub2(&a.c0, &b.c0), sub2(&a.c1, &b.c1), sub2(&a.c2, &b.c2))
}

#[inline(always)]
fn times_v(value: &Fq6) -> Fq6 {
    Fq6::new(times_xi(&value.c2), value.c0, value.c1)
}

/// a·b.
pub(super) fn mul(a: &Fq12, b: &Fq12) -> Fq12 {
    let (low, high) = (mul6(&a.c0, &b.c0), mul6(&a.c1, &b.c1));
    let mixed = mul6(&add6(&a.c0, &a.c1), &add6(&b.c0, &b.c1));
    Fq12::new(add6(&low, &times_v(&high)), sub6(&sub6(&mixed, &low), &high))
}

/// f².
pub(super) fn square(f: &Fq12) -> Fq12 {
    let mixed = mul6(&f.c0, &f.c1);
    let sum = mul6(&add6(&f.c0, &f.c1), &add6(&f.c0, &times_v(&f.c1)));
    Fq12::new(sub6(&sub6(&sum, &mixed), &times_v(&mixed)), add6(&mixed, &mixed))
}

/// f² for f of the cyclotomic subgroup (Granger and Scott, eprint 2009/565, section 3.2): three squarings in Fq4.
pub(super) fn cyclotomic_square(f: &Fq12) -> Fq12 {
    let (a0, a1) = square4(&f.c0.c0, &f.c1.c1);
    let (b0, b1) = square4(&f.c1.c0, &f.c0.c2);
    let (c0, c1) = square4(&f.c0.c1, &f.c1.c2);
    // 3·square ∓ 2·value.
    let minus = |square: &Fq2, value: &Fq2| sub2(&triple2(square), &double2(value));
    let plus = |square: &Fq2, value: &Fq2| add2(&triple2(square), &double2(value));
    Fq12::new(
        Fq6::new(minus(&a0, &f.c0.c0), minus(&b0, &f.c0.c1), minus(&c0, &f.c0.c2)),
        Fq6::new(plus(&times_xi(&c1), &f.c1.c0), plus(&a1, &f.c1.c1), plus(&b1, &f.c1.c2)),
    )
}

/// (x + y·s)² with s² = ξ.
#[inline(always)]
fn square4(x: &Fq2, y: &Fq2) -> (Fq2, Fq2) {
    let mixed = mul2(x, y);
    let sum = mul2(&add2(x, y), &add2(x, &times_xi(y)));
    (sub2(&sub2(&sum, &mixed), &times_xi(&mixed)), double2(&mixed))
}

#[cfg(test)]
mod tests {
    use ark_bn254::Fq;
    use ark_ff::{AdditiveGroup, Field, PrimeField, UniformRand};

    use super::*;

    #[test]
    fn products_squares_and_line_products_are_those_of_the_reference() {
        let mut rng = ark_std::test_rng();
        for _ in 0..64 {
            let (a, b) = (Fq12::rand(&mut rng), Fq12::rand(&mut rng));
            assert_eq!(mul(&a, &b), a * b);
            assert_eq!(square(&a), a * a);
            let (w, w3) = (Fq2::rand(&mut rng), Fq2::rand(&mut rng));
            let line = Fq12::new(Fq6::ONE, Fq6::new(w, w3, Fq2::ZERO));
            let mut product = a;
            mul_by_line(&mut product, &LineValue { w, w3 });
            assert_eq!(product, a * line);
        }
        assert_eq!(mul(&Fq12::ONE, &Fq12::ONE), Fq12::ONE);
        assert_eq!(square(&Fq12::ZERO), Fq12::ZERO);
    }

    #[test]
    fn cyclotomic_squares_are_squares() {
        let mut rng = ark_std::test_rng();
        let p = Fq::MODULUS;
        for _ in 0..16 {
            let f = Fq12::rand(&mut rng);
            // f^(p^6 − 1), then to the power p² + 1.
            let mut unitary = f;
            unitary.conjugate_in_place();
            unitary *= f.inverse().unwrap();
            let element = unitary.pow(p).pow(p) * unitary;
            assert_eq!(cyclotomic_square(&element), element * element);
        }
    }
}
