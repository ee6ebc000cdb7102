/// Comparisons for tests: as Expecto's, but that a number which is none fails them. Expecto fails where `a >= b`, which no NaN is.
/// Whoever compares opens this behind Expecto.
module CnnCluster.Tests.Comparisons

open Expecto

/// The greatest, and NaN where one is: `Seq.max` passes over those.
let greatest (numbers: float seq) =
    numbers |> Seq.reduce (fun a b -> System.Math.Max(a, b))

module Expect =
    let private compare holds relation a b message =
        if not (holds a b) then
            failtest $"{message}. Expected {a} to be {relation} {b}."

    let isLessThan a b message = compare (<) "less than" a b message

    let isLessThanOrEqual a b message =
        compare (<=) "less than or equal to" a b message

    let isGreaterThan a b message = compare (>) "greater than" a b message

    let isGreaterThanOrEqual a b message =
        compare (>=) "greater than or equal to" a b message
