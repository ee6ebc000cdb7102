/// Merges: layers on several values, which are named or come out of branches.
module internal CnnCluster.Dsl.Checking.Merging

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.Declared
open CnnCluster.Dsl.Checking.NetworkBuilder
open CnnCluster.Dsl.Checking.Placement

/// Runs a body from a flow, with all names that it has.
type Runner = Flow -> Body -> Flow

type private Operand =
    /// A value and where it is written.
    | Operand of Here * Span
    | Other of Argument
    /// An error was said.
    | Nothing

let private operandOf (builder: Builder) flow (run: Runner) (layer: LayerDefinition) argument =
    let scope = scopeOf flow

    let isOwn word =
        GivenArguments.isActivation word
        || layer.Arguments |> List.exists (fun a -> a.Name = word)

    match argument with
    | Branch body -> Operand((run flow body).Here, body.Span)
    | Positional({ Kind = Word word } as expression) ->
        match Scope.lookUp builder.Sink scope word with
        | Some(Some(OfValue(_, here))) -> Operand(here, expression.Span)
        | None when not (isOwn word) ->
            if not scope.Incomplete then
                Diagnostic.error expression.Span $"no value is called '{word}'"
                |> Suggestion.among (activationNames @ Scope.names scope) word
                |> report builder.Sink

            Nothing
        | _ -> Other argument
    | _ -> Other argument

/// `add start { conv 8 3 pad=same } relu`: values and branches, and whatever else a layer takes.
let merge (builder: Builder) flow (run: Runner) (layer: LayerDefinition) (word: Name) span arguments =
    let operands = arguments |> List.map (operandOf builder flow run layer)

    let rest =
        operands
        |> List.choose (function
            | Other argument -> Some argument
            | _ -> None)

    let bound = Binder.bind builder.Sink (scopeOf flow) flow.Defaults layer word rest

    let values =
        [ for operand in operands do
              match operand with
              | Operand(here, span) -> here, span
              | Nothing -> Unknown, word.Span
              | Other _ -> () ]

    for here, span in values do
        if here = Undefined then
            report builder.Sink (Diagnostic.error span "there is no value here: no input stands in front of it")

    let known =
        values
        |> List.choose (function
            | Known value, _ -> Some value
            | _ -> None)

    match bound with
    | _ when values.Length < 2 ->
        expected
            builder.Sink
            word.Span
            $"'{word.Text}' takes at least two values; given: {values.Length}"
            $"names, 'here' and branches, as in: {word.Text} start here, {word.Text} {{ conv 8 3 pad=same }} {{ }}"
        |> ignore

        Unknown
    | Some bound when known.Length = values.Length -> place builder flow layer word span bound known
    | _ -> Unknown
