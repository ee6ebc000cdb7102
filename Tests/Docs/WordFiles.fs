/// Writes the words of the F# form and of the C# builder: a member for every word of the catalogues, with the
/// catalogue's help as its comment, so that editors complete and explain them.
module CnnCluster.Tests.Docs.WordFiles

open System
open CnnCluster.Dsl
open CnnCluster.Dsl.Checking
open CnnCluster.Dsl.Layers

/// A word with the lines of its comment.
type private Entry =
    { Word: string
      Comment: string list
      Merges: bool }

let private layers =
    [ for layer in Catalogue.layers ->
          { Word = layer.Name
            Comment =
              [ yield layer.Help.Summary
                for argument in layer.Arguments do
                    yield $"- {argument.Name}: {argument.Doc}"
                yield $"In a script: {layer.Help.Example}" ]
            Merges = layer.Operands = Several } ]

let private activations =
    [ for activation in Activation.all ->
          { Word = activation.Name
            Comment = [ activation.Formula ]
            Merges = false },
          not activation.Arguments.IsEmpty ]

let private trainStatements =
    [ for statement in TrainStatements.all ->
          { Word = statement.Name
            Comment = [ statement.Summary ]
            Merges = false } ]

/// F#'s own words, as far as a catalogue could have them.
let private keywords =
    "abstract and as base begin class const default do done end extern fixed function global if include inline let match"
    + " member module mutable null of open or parallel process pure select sig static then to type use val when yield"
    |> _.Split(' ')
    |> set

let private capital (word: string) =
    string (Char.ToUpperInvariant word[0]) + word.Substring 1

let private parts (word: string) = List.ofArray (word.Split '-')

/// `early-stop` is `earlyStop`; what F# has a use of its own for gets a prime.
let private camel word =
    let name =
        match parts word with
        | first :: others -> first + String.Join("", List.map capital others)
        | [] -> ""

    if keywords.Contains name then name + "'" else name

let private pascal word =
    String.Join("", parts word |> List.map capital)

let private comment entry =
    [ for line in entry.Comment -> $"    /// {line}" ]

let private head space opened =
    [ "// Written from the catalogues by the tests: CNN_ACCEPT=1 ./cnn test --filter-test-list Docs.words"
      $"namespace CnnCluster.Dsl.{space}"
      ""
      yield! opened
      "" ]

let private text lines = String.Join("\n", lines @ [ "" ])

// ---- F# ----

let private embeddedUse entry =
    comment entry
    @ [ $"    static member {camel entry.Word}([<ParamArray>] arguments: obj[]) ="
        $"        Writing.useOf \"{entry.Word}\" arguments"
        "" ]

let private embeddedActivation (entry, takesValues) =
    if takesValues then
        embeddedUse entry
    else
        comment entry
        @ [ $"    static member {camel entry.Word} = Writing.useOf \"{entry.Word}\" []"; "" ]

let private embeddedType doc name members =
    [ $"/// {doc}"; "[<AbstractClass; Sealed; AutoOpen>]"; $"type {name} =" ]
    @ members

let embedded =
    text (
        head "Embedded" [ "open System"; "open CnnCluster.Dsl.Doors" ]
        @ embeddedType
            "The activations: lines of their own, or arguments."
            "ActivationWords"
            (List.collect embeddedActivation activations)
        @ embeddedType "The layers." "LayerWords" (List.collect embeddedUse layers)
        @ embeddedType "The statements of a train part." "TrainWords" (List.collect embeddedUse trainStatements)
        |> List.rev
        |> List.tail
        |> List.rev
    )

// ---- C# ----

let private methodOf receiver call entry =
    comment entry
    @ [ "    [<Extension>]"
        $"    static member {pascal entry.Word}({receiver}, [<ParamArray>] arguments: obj[]) ="
        $"        {call}(\"{entry.Word}\", arguments)"
        "" ]

/// Branches alone may be written as lambdas.
let private mergeOf entry =
    if entry.Merges then
        comment entry
        @ [ "    [<Extension>]"
            $"    static member {pascal entry.Word}"
            "        ("
            "            body: BodyBuilder,"
            "            first: Func<BodyBuilder, BodyBuilder>,"
            "            [<ParamArray>] others: Func<BodyBuilder, BodyBuilder>[]"
            "        ) ="
            $"        body.Merge(\"{entry.Word}\", Array.append [| first |] others)"
            "" ]
    else
        []

let private builderType doc name members =
    [ $"/// {doc}"; "[<Extension; AbstractClass; Sealed>]"; $"type {name} =" ]
    @ members

let builder =
    let layer entry =
        methodOf "body: BodyBuilder" "body.Layer" entry @ mergeOf entry

    text (
        head "Building" [ "open System"; "open System.Runtime.CompilerServices" ]
        @ builderType
            "The layers and activations."
            "LayerMethods"
            (List.collect layer (List.map fst activations @ layers))
        @ builderType
            "The statements of a train part."
            "TrainMethods"
            (List.collect (methodOf "train: TrainBuilder" "train.Setting") trainStatements)
        |> List.rev
        |> List.tail
        |> List.rev
    )
