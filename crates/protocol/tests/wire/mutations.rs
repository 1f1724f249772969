//! Every other way to write a message: each is refused, whatever part of it is written otherwise.

use crate::protobuf::{Field, Value, encode, long_varint, tag, varint};

/// A message written otherwise, and how.
pub(crate) struct Variant {
    pub(crate) what: String,
    pub(crate) bytes: Vec<u8>,
}

/// All variants with one deviation, in the message itself and in every message inside it.
pub(crate) fn variants(fields: &[Field]) -> Vec<Variant> {
    let mut out = Vec::new();
    unknown_fields(fields, &mut out);
    spelled_out_defaults(fields, &mut out);
    for (i, field) in fields.iter().enumerate() {
        let mut around = |what: &str, middle: Vec<u8>| {
            let mut bytes = encode(&fields[..i]);
            bytes.extend(middle);
            bytes.extend(encode(&fields[i + 1..]));
            out.push(Variant { what: format!("{what} of field {}", field.number), bytes });
        };
        let (content, wire_type) = (field.value.content(), field.value.wire_type());
        let plain_tag = tag(field.number, wire_type);
        let length = || varint(content.len() as u64);
        let long_tag = long_varint(u64::from(field.number) << 3 | wire_type);
        if wire_type == 0 {
            let Value::Uint(n) = field.value else { panic!("a number") };
            around("long tag", [long_tag, content.clone()].concat());
            around("long number", [plain_tag.clone(), long_varint(n)].concat());
            around("fixed 64 bits", [tag(field.number, 1), n.to_le_bytes().to_vec()].concat());
        } else {
            around("long tag", [long_tag, length(), content.clone()].concat());
            around(
                "long length",
                [plain_tag.clone(), long_varint(content.len() as u64), content.clone()].concat(),
            );
        }
        if let Value::Packed(numbers) = &field.value {
            let single = |n: &u64| [tag(field.number, 0), varint(*n)].concat();
            around("unpacked form", numbers.iter().flat_map(single).collect());
            around(
                "long number",
                [
                    plain_tag.clone(),
                    varint(content.len() as u64 + 1),
                    numbers[1..].iter().fold(long_varint(numbers[0]), |mut out, n| {
                        out.extend(varint(*n));
                        out
                    }),
                ]
                .concat(),
            );
            if numbers.len() > 1 {
                let part = |numbers: &[u64]| {
                    Field { value: Value::Packed(numbers.to_vec()), ..field.clone() }.encode()
                };
                around("split form", [part(&numbers[..1]), part(&numbers[1..])].concat());
            }
        }
        if !field.repeated {
            around("duplicate", [field.encode(), field.encode()].concat());
        }
        if let Some(next) = fields.get(i + 1)
            && next.number != field.number
        {
            let mut swapped = fields.to_vec();
            swapped.swap(i, i + 1);
            out.push(Variant {
                what: format!("fields {} and {} swapped", field.number, next.number),
                bytes: encode(&swapped),
            });
        }
        if let Value::Message(inner) = &field.value {
            for variant in variants(inner) {
                let mut bytes = encode(&fields[..i]);
                bytes.extend(plain_tag.clone());
                bytes.extend(varint(variant.bytes.len() as u64));
                bytes.extend(&variant.bytes);
                bytes.extend(encode(&fields[i + 1..]));
                out.push(Variant { what: format!("{} inside field {}", variant.what, field.number), bytes });
            }
        }
    }
    out
}

fn unknown_fields(fields: &[Field], out: &mut Vec<Variant>) {
    let unknown = [
        ("unknown number", [tag(29, 0), varint(1)].concat()),
        ("unknown bytes", [tag(29, 2), varint(2), vec![1, 2]].concat()),
        ("unknown fixed 64 bits", [tag(29, 1), vec![0; 8]].concat()),
        ("unknown fixed 32 bits", [tag(29, 5), vec![0; 4]].concat()),
        ("unknown group", [tag(29, 3), tag(29, 4)].concat()),
        ("field number 0", vec![0, 0]),
    ];
    let whole = encode(fields);
    for (what, extra) in unknown {
        for (place, bytes) in
            [("first", [extra.clone(), whole.clone()].concat()), ("last", [whole.clone(), extra].concat())]
        {
            out.push(Variant { what: format!("{what} {place}"), bytes });
        }
    }
}

/// For every field that is absent: the same message with it present and zero or empty.
fn spelled_out_defaults(fields: &[Field], out: &mut Vec<Variant>) {
    for number in 1..=12 {
        if fields.iter().any(|field| field.number == number) {
            continue;
        }
        for value in [Value::Uint(0), Value::Bytes(Vec::new())] {
            let mut more = fields.to_vec();
            let at = more.partition_point(|field| field.number < number);
            more.insert(at, Field { number, value: value.clone(), repeated: false });
            out.push(Variant {
                what: format!("field {number} spelled out as {value:?}"),
                bytes: encode(&more),
            });
        }
    }
}
