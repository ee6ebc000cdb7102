/// Numbers that another language makes again with a few lines: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
/// `References/torchvision_references.py` says which number goes where.
module CnnCluster.Tests.Examples.SplitMix

open CnnCluster.Dsl

type Role =
    | Parameter = 1
    | Buffer = 2
    | Input = 3

let private mix (z: uint64) =
    let z = (z ^^^ (z >>> 30)) * 0xBF58476D1CE4E5B9UL
    let z = (z ^^^ (z >>> 27)) * 0x94D049BB133111EBUL
    z ^^^ (z >>> 31)

/// The first numbers, in [-1, 1), of the tensor with this role and this place among its like.
let uniform (role: Role) (index: int) count =
    let state = mix ((uint64 role <<< 32) + uint64 index)

    Array.init count (fun i ->
        let word = mix (state + 0x9E3779B97F4A7C15UL * uint64 (i + 1))
        float (word >>> 11) * (1.0 / float (1L <<< 52)) - 1.0)

let private count (tensor: NamedTensor) = tensor.Shape |> Seq.fold (*) 1L |> int

/// A network's parameter with this place among them.
let parameter index (tensor: NamedTensor) =
    let value =
        if tensor.Shape.Count > 1 then
            let rowLength = count tensor / int tensor.Shape[0]
            let bound = sqrt (6.0 / float rowLength)
            fun u -> u * bound
        elif tensor.Name.EndsWith "/scale" then
            fun u -> 1.0 + u / 10.0
        else
            fun u -> u / 10.0

    uniform Role.Parameter index (count tensor) |> Array.map value

/// A network's buffer with this place among them.
let buffer index (tensor: NamedTensor) =
    let value =
        if tensor.Name.EndsWith "/variance" then
            fun u -> 1.0 + u / 2.0
        else
            fun u -> u / 10.0

    uniform Role.Buffer index (count tensor) |> Array.map value
