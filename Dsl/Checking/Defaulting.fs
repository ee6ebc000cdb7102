/// A network's `defaults`.
module internal CnnCluster.Dsl.Checking.Defaulting

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.NetworkBuilder

/// A default that no use takes up is checked too.
let private check (builder: Builder) (layer: LayerDefinition) (key: Name) (written: GivenArguments.Written) =
    match layer.Arguments |> List.tryFind (fun a -> a.Name = key.Text) with
    | Some argument ->
        Conversion.convert builder.Sink written.Scope argument.Kind written.Expression
        |> Option.isSome
    | None ->
        Conversion.activation builder.Sink written.Scope written.Expression
        |> Option.isSome

let private keyword
    (builder: Builder)
    scope
    (layer: LayerDefinition)
    argument
    : (Name * GivenArguments.Written) option =
    match argument with
    | Keyword(key, value) when GivenArguments.knows builder.Sink layer key ->
        let written: GivenArguments.Written = { Expression = value; Scope = scope }

        if check builder layer key written then Some(key, written) else None
    | Keyword _ -> None
    | Positional expression -> fail builder.Sink expression.Span "defaults are given by name: key=value"
    | Branch body -> fail builder.Sink body.Span "defaults have no branches"

let private layerOf (builder: Builder) (word: Name) =
    builder.Words.Layers |> List.tryFind (fun layer -> layer.Name = word.Text)

let private refuse (builder: Builder) (statement: Statement) =
    match statement.Kind with
    | Use(word, _, _) when builder.Words.Units.ContainsKey word.Text ->
        expected
            builder.Sink
            word.Span
            $"'{word.Text}' is a block: its parameters have their defaults where it stands"
            "a layer with settings, as in: conv bias=no"
    | Use(word, _, None) ->
        Diagnostic.error word.Span $"'{word.Text}' is no layer, and has no defaults"
        |> (if GivenArguments.isActivation word.Text then
                id
            else
                Suggestion.among (Declared.layerNames builder.Words) word.Text)
        |> report builder.Sink

        None
    | _ -> expected builder.Sink statement.Span "this is no default" "a layer with settings, as in: conv bias=no"

/// Adds the defaults of one statement; they reach all that follows, blocks included.
let add (builder: Builder) (flow: Flow) (body: Body) =
    let entry (seen, defaults: GivenArguments.Defaults) (statement: Statement) =
        match statement.Kind with
        | Use(word, _, None) when Set.contains word.Text seen ->
            expected
                builder.Sink
                word.Span
                $"'{word.Text}' has its defaults already"
                "all of them behind one word, as in: conv bias=no pad=same"
            |> ignore

            seen, defaults
        | Use(word, arguments, None) when (layerOf builder word).IsSome ->
            let keywords =
                arguments
                |> List.choose (keyword builder (scopeOf flow) (layerOf builder word).Value)

            Set.add word.Text seen, Map.add word.Text keywords defaults
        | Unread _ -> seen, defaults
        | _ ->
            refuse builder statement |> ignore
            seen, defaults

    let _, defaults =
        body.Statements |> List.fold entry (Set.ofSeq flow.Defaults.Keys, flow.Defaults)

    { flow with Defaults = defaults }
