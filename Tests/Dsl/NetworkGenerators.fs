/// Networks at random, made from the catalogue's own definitions: a new layer is among them without an edit here.
module CnnCluster.Tests.Dsl.NetworkGenerators

open FsCheck
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers

let private joinWith (separator: string) (texts: string list) = String.concat separator texts

let private number least most =
    Gen.choose (least, most) |> Gen.map string

let private size least =
    Gen.frequency
        [ 4, number least (least + 3)
          1, Gen.listOfLength 2 (number least (least + 3)) |> Gen.map (joinWith "x")
          1, Gen.listOfLength 3 (number least (least + 2)) |> Gen.map (joinWith "x") ]

let private pair =
    Gen.map2 (fun before after -> $"{before} {after}") (number 0 3) (number 0 3)

let private edges =
    Gen.frequency
        [ 3, number 0 3
          1, Gen.listOfLength 2 (number 0 2) |> Gen.map (joinWith "x")
          1,
          Gen.choose (1, 3)
          |> Gen.bind (fun axes ->
              Gen.listOfLength axes pair
              |> Gen.map (fun rows -> "[" + joinWith "; " rows + "]")) ]

let private ofNames names = Gen.elements (List.ofSeq names)

let private real least greatest =
    [ least; 0.25; 0.5; 1.0; 3.0; greatest ]
    |> List.filter (fun value -> value >= least && value <= greatest && abs value < 1e6)
    |> Gen.elements
    |> Gen.map Printer.number

/// A word with some of its numbers, at the ends of their ranges too.
let private withNumbers (name: string, arguments: NumberArgument list) =
    let number (argument: NumberArgument) =
        [ argument.Least; argument.Default; 1.0; 3.0; NumberArgument.Greatest ]
        |> List.filter (fun value -> value >= argument.Least)
        |> Gen.elements
        |> Gen.map Printer.number

    let written =
        arguments
        |> Gen.collectToList number
        |> Gen.map (fun numbers -> name + "(" + joinWith ", " numbers + ")")

    if arguments.IsEmpty then
        Gen.constant name
    else
        Gen.frequency [ 2, Gen.constant name; 1, written ]

let private value kind =
    match kind with
    | WholeNumber least -> number least (least + 5)
    | RealNumber(least, greatest) -> real least greatest
    | YesNo -> Gen.elements [ "yes"; "no" ]
    | OneOf words -> Gen.elements words
    | SizeOf least -> size least
    | PaddingOf -> Gen.frequency [ 2, Gen.elements [ "same"; "valid" ]; 1, edges ]
    | EdgesOf -> edges
    | ShapeOf -> Gen.elements [ "4x4x2"; "16"; "8x1"; "2x2x2x2"; "1x1x4"; "32"; "3" ]
    | KernelOf ->
        Gen.oneof
            [ ofNames [ for kernel in FixedKernel.all -> kernel.Name ]
              Gen.elements [ "[1 2; 3 4]"; "[1 0 -1]"; "gaussian(5, 1)"; "box(2)" ] ]
    | InitialiserOf ->
        Gen.elements [ for i in Initialiser.all -> i.Name, i.Arguments ]
        |> Gen.bind withNumbers
    | RegularizerOf ->
        Gen.elements [ for r in Regularizer.all -> r.Name, r.Arguments ]
        |> Gen.bind withNumbers

/// An argument as written, or nothing; what a layer needs is mostly there.
let private argument (definition: ArgumentDefinition) =
    let written =
        value definition.Kind
        |> Gen.map (fun text -> [ if definition.Positional then text else $"{definition.Name}={text}" ])

    let given =
        match definition.Default with
        | Required -> 20
        | RequiredWithout _ -> 12
        | _ when definition.Positional -> 4
        | _ -> 1

    Gen.frequency [ given, written; (if given > 10 then 1 else 5), Gen.constant [] ]

let private activation =
    Gen.elements [ for activation in Activation.all -> activation.Name, activation.Arguments ]
    |> Gen.bind withNumbers

let private suffix =
    Gen.frequency [ 4, Gen.constant []; 1, activation |> Gen.map List.singleton ]

let rec private layer depth =
    gen {
        let! definition = Gen.elements Catalogue.layers
        let! arguments = definition.Arguments |> Gen.collectToList argument
        let! activation = suffix

        let! operands =
            match definition.Operands with
            | One -> Gen.constant []
            | Several when depth = 0 -> Gen.constant [ "here"; "here" ]
            | Several ->
                Gen.choose (2, 3)
                |> Gen.bind (fun count -> Gen.listOfLength count (operand (depth - 1)))

        return joinWith " " ([ definition.Name ] @ operands @ List.concat arguments @ activation)
    }

and private operand depth =
    Gen.frequency
        [ 1, Gen.constant "here"
          1, Gen.constant "{ }"
          2,
          Gen.choose (1, 2)
          |> Gen.bind (fun count -> Gen.listOfLength count (layer depth))
          |> Gen.map (fun inner -> "{ " + joinWith "; " inner + " }") ]

let private input =
    Gen.choose (0, 3)
    |> Gen.bind (fun rank -> Gen.listOfLength rank (number 1 9))
    |> Gen.map2 (fun channels sides -> joinWith "x" (sides @ [ channels ])) (number 1 6)

let private statement =
    Gen.frequency
        [ 12, layer 1
          1, activation
          1, layer 1 |> Gen.map (fun inner -> $"repeat 2 {{ {inner} }}")
          1, layer 1 |> Gen.map (fun inner -> $"if here.channels > 2 {{ {inner} }}") ]

/// The text of a network `N` of a few layers; many are wrong, since most layers do not fit behind most others.
let network =
    gen {
        let! shape = input
        let! count = Gen.choose (1, 5)
        let! statements = Gen.listOfLength count statement
        return "network N {\n" + joinWith "\n" ($"input {shape}" :: statements) + "\n}\n"
    }
